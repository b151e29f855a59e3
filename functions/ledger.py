"""The ledger as a whole."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.routes import ledger as routes


@endpoint(routes.GET_TRIAL_BALANCE)
async def get_trial_balance(call: Call) -> Reply:
    """Every account's exact sum, per asset."""
    return Reply(await call.app.ledger.trial_balance())


blueprint = blueprint_of(get_trial_balance)
