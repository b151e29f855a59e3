"""Orders over HTTP: what is asked for, and how an order, its list and its history look.

Words that exist but are not on offer today (STOP, MIS, GTC, ...) are legal here: which words are offered is dated
data, so the risk rules refuse them with 422 and the order is on record. Unknown words are refused with 400.
`trigger_price` and `disclosed_quantity` belong to order types of a later version and are refused with 400.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, StringConstraints, field_validator
from pydantic.config import JsonDict
from pydantic_core.core_schema import ValidationInfo

from shared.contracts.common import (
    Body,
    Id,
    Instant,
    InstrumentId,
    NotOffered,
    OwnerQuery,
    Page,
    PageQuery,
    PositiveRupees,
    Quantity,
    Rupees,
    View,
)
from shared.contracts.cursors import ID, CursorFormat
from shared.contracts.problems import Problem
from shared.domain.orders.order import Request, Status
from shared.domain.orders.terms import OrderType, Product, Side, TimeInForce

MOST_ORDERS_OF_A_LIST: Final = 25

type ClientOrderId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$"),
    Field(description="Your own id, unique among all your orders, refused ones too"),
]
type Tag = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9 ._:-]{1,20}$"), Field(description="Your own label, shown on the order")
]


_LIMIT_NEEDS_A_PRICE: Final[JsonDict] = {
    "if": {"properties": {"order_type": {"const": "LIMIT"}}, "required": ["order_type"]},
    "then": {"properties": {"price": {"type": "string"}}, "required": ["price"]},
}
_MARKET_CARRIES_NONE: Final[JsonDict] = {
    "if": {"properties": {"order_type": {"const": "MARKET"}}, "required": ["order_type"]},
    "then": {"properties": {"price": {"type": "null"}}},
}
ORDERS: Final = CursorFormat(ID)
"""When the last order was accepted, and its id."""


class PlaceOrder(Body):
    """A new order. LIMIT needs a price, MARKET must not carry one."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_LIMIT_NEEDS_A_PRICE, _MARKET_CARRIES_NONE]})

    instrument_id: InstrumentId
    side: Side
    order_type: OrderType
    product: Product
    quantity: Quantity
    price: Annotated[PositiveRupees | None, Field(validate_default=True)] = None
    time_in_force: TimeInForce = TimeInForce.DAY
    client_order_id: ClientOrderId | None = None
    tag: Tag | None = None
    trigger_price: NotOffered = None
    disclosed_quantity: NotOffered = None

    @field_validator("price", mode="after")
    @classmethod
    def _price_fits_order_type(cls, price: str | None, known: ValidationInfo) -> str | None:
        order_type = known.data.get("order_type")
        if price is None and order_type is OrderType.LIMIT:
            raise ValueError("a LIMIT order needs a price")
        if price is not None and order_type is OrderType.MARKET:
            raise ValueError("a MARKET order has no price: leave it out")
        return price


class OrderView(View):
    """An order as it is now."""

    order_id: Id
    client_order_id: str | None
    user_id: Id
    instrument_id: str
    side: Side
    order_type: OrderType
    product: Product
    time_in_force: TimeInForce
    quantity: int
    filled_quantity: int
    leaves_quantity: int
    canceled_quantity: int
    disclosed_quantity: int | None
    price: Rupees | None
    trigger_price: Rupees | None
    average_price: Annotated[str, Field(description="Rupees with four places; 0.0000 before the first fill")]
    status: Status
    pending_request: Request | None
    status_message: str
    reject_code: str | None
    exchange_order_id: str | None
    parent_order_id: Id | None
    tag: str | None
    version: Annotated[int, Field(description="Rises with every change of another field than updated_at")]
    created_at: Instant
    updated_at: Instant


class OrderAccepted(View):
    """The order is registered with the broker; `order` is there with `Prefer: wait`."""

    order_id: Id
    status: Status
    message: str
    received_at: Instant
    order: OrderView | None = None


class PlaceOrderList(Body):
    """Up to 25 new orders of one call, each judged alone, in this order."""

    orders: Annotated[list[PlaceOrder], Field(min_length=1, max_length=MOST_ORDERS_OF_A_LIST)]


class PlacedOrder(View):
    """What one order of a list was answered with: what POST /api/orders answers it with alone."""

    status: Annotated[int, Field(description="202, 422, 429 or 500", examples=[202])]
    body: OrderAccepted | Problem


class PlacedOrderList(View):
    """One item an order, in the order of the request."""

    items: list[PlacedOrder]


class OrdersQuery(OwnerQuery, PageQuery):
    """Which orders to list, newest first."""

    status: Status | None = None
    instrument_id: InstrumentId | None = None
    cursor: Annotated[str, ORDERS] | None = None


OrderPage = Page[OrderView]


class OrderEvent(View):
    """One thing that happened to an order; `version` is the order's after it."""

    revision: Annotated[int, Field(description="Numbers the events of an order from 1 on")]
    version: int
    event: str
    state: str
    detail: Any
    at: Instant


class Stage(StrEnum):
    """What an order passes through."""

    FUNDS_HELD = "funds_held"
    AT_EXCHANGE = "at_exchange"
    ACKNOWLEDGED = "acknowledged"
    FILLED = "filled"
    ENDED = "ended"


class OrderStage(View):
    """When an order reached a stage first, and the milliseconds since it was accepted."""

    stage: Stage
    at: Instant
    ms: Annotated[str, Field(examples=["12.345"])]


class OrderHistory(View):
    """Everything that happened to an order, oldest first."""

    order: OrderView
    events: list[OrderEvent]
    stages: list[OrderStage]
