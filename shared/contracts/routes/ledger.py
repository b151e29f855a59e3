"""The ledger as a whole."""

from typing import Final

from shared.contracts.ledger import TrialBalanceView
from shared.contracts.routes.route import STAFF, Route

GET_TRIAL_BALANCE: Final = Route[None, None](
    "get_trial_balance",
    "GET",
    "operations/trial-balance",
    "Every account's sum, exactly, per asset",
    {200: TrialBalanceView},
    roles=STAFF,
)

ROUTES: Final = (GET_TRIAL_BALANCE,)
