"""How orders and trades look to clients: plain dictionaries of JSON values, the one place that shapes them.

Prices and money are decimal strings in rupees, quantities integers, times RFC 3339 in UTC.
`shared/contracts` describes the same shapes for the OpenAPI document; a test holds both equal.
"""

from datetime import UTC, datetime
from typing import Any

from shared.domain.money import format_average, format_rupees
from shared.domain.orders import Order

type Json = dict[str, Any]


def wire_time(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return f"{instant.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def published_order(order: Order) -> Json:
    """The order of the HTTP contract."""
    return {
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "user_id": str(order.user_id),
        "instrument_id": order.instrument_id,
        "side": order.side.value,
        "order_type": order.order_type.value,
        "product": order.product.value,
        "time_in_force": order.time_in_force.value,
        "quantity": order.quantity,
        "filled_quantity": order.filled_quantity,
        "leaves_quantity": order.leaves_quantity,
        "canceled_quantity": order.canceled_quantity,
        "disclosed_quantity": order.disclosed_quantity,
        "price": None if order.price is None else format_rupees(order.price),
        "trigger_price": None,
        "average_price": format_average(order.notional, order.filled_quantity),
        "status": order.status,
        "pending_request": None if order.pending_request is None else order.pending_request.value,
        "status_message": order.status_message,
        "reject_code": order.reject_code,
        "exchange_order_id": order.exchange_order_id,
        "parent_order_id": None,
        "tag": order.tag,
        "version": order.version,
        "created_at": wire_time(order.accepted_at),
        "updated_at": wire_time(order.updated_at),
    }
