"""Orders: place, list, read, follow, cancel."""

from typing import Final
from uuid import UUID

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import JSON, Reply
from shared.application.orders import answers
from shared.application.orders.judge import PlaceCall, calls_of_list
from shared.application.orders.place import Placed
from shared.contracts.common import OwnerQuery
from shared.contracts.orders import ORDERS, OrdersQuery, PlaceOrder, PlaceOrderList
from shared.contracts.problems import PROBLEM_JSON
from shared.contracts.published import published_order
from shared.contracts.routes import orders as routes
from shared.domain.errors import BrokerError, RateLimitedError
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
    return Reply(placed.body, placed.status, headers, content_type, placed.rate_limit, placed.stream_sequence)


@endpoint(routes.PLACE_ORDER_LIST)
async def place_order_list(call: Call[PlaceOrderList]) -> Reply:
    """207 with one item an order: what each is answered with alone."""
    calls = calls_of_list(call.user_id, call.body, call.idempotency_key, call.request_id)
    placed = await call.app.place_orders.place_list(calls, call.sagas)
    headers = {}
    if all(isinstance(item, Placed) and item.replayed for item in placed.items):
        headers["Idempotency-Replayed"] = "true"
    waits = [item.retry_after_s for item in placed.items if isinstance(item, RateLimitedError)]
    if waits:
        headers["Retry-After"] = str(max(waits))
    body = answers.of_list(_item(item, call.request_id) for item in placed.items)
    limit = placed.rate_limits[-1] if placed.rate_limits else None
    return Reply(body, 207, headers, rate_limit=limit, stream_sequence=placed.stream_sequence)


def _item(item: Placed | BrokerError, request_id: str) -> tuple[int, str]:
    return (item.status, item.body) if isinstance(item, Placed) else answers.not_recorded(item, request_id)


@endpoint(routes.LIST_ORDERS)
async def list_orders(call: Call[None, OrdersQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    wanted = OrderFilter(query.status, query.instrument_id, ORDERS.read(query.cursor, _position))
    # One more than requested shows whether there is a next page.
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
    """202 with the order, which is cancelled or whose cancel is being sent."""
    order, sequence = await call.app.cancel_orders.cancel(call.user_id, call.id("order_id"), call.sagas)
    return Reply(order, 202, stream_sequence=sequence)


def _page(orders: list[Order], limit: int) -> Json:
    shown = orders[:limit]
    more = len(orders) > limit
    return {
        "items": [published_order(order) for order in shown],
        "next_cursor": ORDERS.write(shown[-1].order_id) if more else None,
    }


def _position(order_id: UUID) -> UUID:
    return order_id


blueprint = blueprint_of(place_order, place_order_list, list_orders, get_order, get_order_history, cancel_order)
