"""Orders: place, list, read, follow, cancel."""

from datetime import datetime
from typing import Final
from uuid import UUID

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import JSON, Reply
from shared.application.orders.place import PlaceCall
from shared.contracts.common import OwnerQuery
from shared.contracts.orders import ORDERS, OrdersQuery, PlaceOrder
from shared.contracts.problems import PROBLEM_JSON
from shared.contracts.published import published_order
from shared.contracts.routes import orders as routes
from shared.domain.orders.order import Order
from shared.json_values import Json
from shared.ports.orders import OrderFilter

_REFUSED: Final = 422


@endpoint(routes.PLACE_ORDER)
async def place_order(call: Call[PlaceOrder]) -> Reply:
    """202 with the registered order, 422 with the refusal on record, or the stored answer again."""
    wanted = PlaceCall(call.user_id, call.body, call.idempotency_key, call.request_id, call.prefer_wait_s)
    placed = await call.app.place_orders.place(wanted, call.sagas)
    headers = {"Location": f"/api/orders/{placed.order_id}"}
    if placed.replayed:
        headers["Idempotency-Replayed"] = "true"
    if call.prefer_wait_s:
        headers["Preference-Applied"] = f"wait={call.prefer_wait_s:.0f}"
    content_type = PROBLEM_JSON if placed.status == _REFUSED else JSON
    return Reply(placed.body, placed.status, headers, content_type, placed.rate_limit)


@endpoint(routes.LIST_ORDERS)
async def list_orders(call: Call[None, OrdersQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    wanted = OrderFilter(query.status, query.instrument_id, ORDERS.read(query.cursor, _position))
    # One more than asked for tells whether there is a next page.
    orders = await call.app.read_orders.page(call.user_id, wanted, query.limit + 1)
    return Reply(_page(orders, query.limit))


@endpoint(routes.GET_ORDER)
async def get_order(call: Call[None, OwnerQuery]) -> Reply:
    """One order as it is now."""
    return Reply(await call.app.read_orders.get(call.user_id, call.id("order_id")))


@endpoint(routes.GET_ORDER_HISTORY)
async def get_order_history(call: Call[None, OwnerQuery]) -> Reply:
    """Events and stages of one order."""
    return Reply(await call.app.read_orders.history(call.user_id, call.id("order_id")))


@endpoint(routes.CANCEL_ORDER)
async def cancel_order(call: Call) -> Reply:
    """202 with the order, whose cancel is done or on its way."""
    return Reply(await call.app.cancel_orders.cancel(call.user_id, call.id("order_id"), call.sagas), 202)


def _page(orders: list[Order], limit: int) -> Json:
    shown = orders[:limit]
    more = len(orders) > limit
    return {
        "items": [published_order(order) for order in shown],
        "next_cursor": ORDERS.write(shown[-1].accepted_at, shown[-1].order_id) if more else None,
    }


def _position(accepted_at: datetime, order_id: UUID) -> tuple[datetime, UUID]:
    return accepted_at, order_id


blueprint = blueprint_of(place_order, list_orders, get_order, get_order_history, cancel_order)
