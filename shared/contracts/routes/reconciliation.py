"""The venue's session against ours."""

from typing import Final

from shared.contracts.reconciliation import ReconciliationQuery, ReconciliationView
from shared.contracts.routes.route import STAFF, Route

RECONCILE_VENUE: Final = Route[None, ReconciliationQuery](
    "reconcile_venue",
    "GET",
    "operations/venue-reconciliation",
    "The venue's executions and live orders against ours",
    {200: ReconciliationView},
    query=ReconciliationQuery,
    roles=STAFF,
)

ROUTES: Final = (RECONCILE_VENUE,)
