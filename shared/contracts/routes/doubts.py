"""Orders in doubt."""

from typing import Final

from shared.contracts.doubts import AskedView, DoubtPage, DoubtsQuery, DoubtView, ResolveDoubt, ResolvedView
from shared.contracts.routes.route import OPERATORS, STAFF, IdempotencyKey, Route

LIST_DOUBTS: Final = Route[None, DoubtsQuery](
    "list_doubts",
    "GET",
    "operations/in-doubt",
    "Orders in doubt with the evidence, or those that were and how they were closed",
    {200: DoubtPage},
    query=DoubtsQuery,
    roles=STAFF,
)
GET_DOUBT: Final = Route[None, None](
    "get_doubt",
    "GET",
    "operations/in-doubt/{order_id}",
    "One order that is in doubt, or was, with its decision",
    {200: DoubtView},
    roles=STAFF,
    errors=(404,),
)
ASK_EXCHANGE_AGAIN: Final = Route[None, None](
    "ask_exchange_again",
    "POST",
    "operations/in-doubt/{order_id}/resend",
    "Ask the exchange for an order's status and all its reports once more",
    {202: AskedView},
    roles=OPERATORS,
    idempotency_key=IdempotencyKey.REQUIRED,
    uses_durable=True,
    errors=(404, 409, 422),
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
    GET_DOUBT,
    ASK_EXCHANGE_AGAIN,
    RESOLVE_DOUBT,
)
