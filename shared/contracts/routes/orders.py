"""Orders."""

from typing import Final

from shared.contracts.common import OwnerQuery
from shared.contracts.orders import (
    OrderAccepted,
    OrderHistory,
    OrderPage,
    OrdersQuery,
    OrderView,
    PlacedOrderList,
    PlaceOrder,
    PlaceOrderList,
)
from shared.contracts.routes.route import STAFF, TRADER, IdempotencyKey, LimitedBy, Route, StreamSequence

PLACE_ORDER: Final = Route[PlaceOrder, None](
    "place_order",
    "POST",
    "orders",
    "Place an order",
    {202: OrderAccepted},
    body=PlaceOrder,
    needs_kyc=True,
    limited_by=LimitedBy.USE_CASE,
    idempotency_key=IdempotencyKey.OPTIONAL,
    takes_prefer_wait=True,
    uses_durable=True,
    stream_sequence=StreamSequence.USE_CASE,
    errors=(409, 422),
)
PLACE_ORDER_LIST: Final = Route[PlaceOrderList, None](
    "place_order_list",
    "POST",
    "orders/batch",
    "Place up to 25 orders in one call",
    {207: PlacedOrderList},
    body=PlaceOrderList,
    needs_kyc=True,
    limited_by=LimitedBy.USE_CASE,
    counted_as=PLACE_ORDER.limit_name,
    idempotency_key=IdempotencyKey.OPTIONAL,
    uses_durable=True,
    stream_sequence=StreamSequence.USE_CASE,
    errors=(422,),
)
LIST_ORDERS: Final = Route[None, OrdersQuery](
    "list_orders",
    "GET",
    "orders",
    "Orders, newest first",
    {200: OrderPage},
    query=OrdersQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
)
GET_ORDER: Final = Route[None, OwnerQuery](
    "get_order",
    "GET",
    "orders/{order_id}",
    "One order",
    {200: OrderView},
    query=OwnerQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
    errors=(404,),
)
GET_ORDER_HISTORY: Final = Route[None, OwnerQuery](
    "get_order_history",
    "GET",
    "orders/{order_id}/history",
    "Every event of an order, and the milliseconds of each stage",
    {200: OrderHistory},
    query=OwnerQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
    errors=(404,),
)
CANCEL_ORDER: Final = Route[None, None](
    "cancel_order",
    "DELETE",
    "orders/{order_id}",
    "Cancel what is left of an order",
    {202: OrderView},
    uses_durable=True,
    stream_sequence=StreamSequence.USE_CASE,
    errors=(404, 409),
)

ROUTES: Final = (
    PLACE_ORDER,
    PLACE_ORDER_LIST,
    LIST_ORDERS,
    GET_ORDER,
    GET_ORDER_HISTORY,
    CANCEL_ORDER,
)
