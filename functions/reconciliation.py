"""The venue's session against ours."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.reconciliation import ReconciliationQuery
from shared.contracts.routes import reconciliation as routes


@endpoint(routes.RECONCILE_VENUE)
async def reconcile_venue(call: Call[None, ReconciliationQuery]) -> Reply:
    """Differences both ways."""
    return Reply(await call.app.reconciliation.run(call.query.venue, call.query.trade_date))


blueprint = blueprint_of(reconcile_venue)
