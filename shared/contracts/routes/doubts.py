"""Orders in doubt."""

from typing import Final

from shared.contracts.doubts import DoubtPage, DoubtsQuery, ResolveDoubt, ResolvedView
from shared.contracts.routes.route import OPERATORS, STAFF, IdempotencyKey, Route

LIST_DOUBTS: Final = Route[None, DoubtsQuery](
    "list_doubts",
    "GET",
    "operations/in-doubt",
    "Orders in doubt, oldest first, with the evidence",
    {200: DoubtPage},
    query=DoubtsQuery,
    roles=STAFF,
)
RESOLVE_DOUBT: Final = Route[ResolveDoubt, None](
    "resolve_doubt",
    "POST",
    "operations/in-doubt/{order_id}/resolve",
    "Close an order in doubt by what was established with the exchange",
    {200: ResolvedView},
    body=ResolveDoubt,
    roles=OPERATORS,
    idempotency_key=IdempotencyKey.REQUIRED,
    uses_durable=True,
    errors=(404, 409, 422),
)

ROUTES: Final = (
    LIST_DOUBTS,
    RESOLVE_DOUBT,
)
