"""What the caller of place-order gets, as pure functions of the order on record."""

from collections.abc import Iterable
from typing import Final

import orjson

from shared.contracts.problems import entry_of, write_problem
from shared.contracts.published import published_order
from shared.domain.errors import BrokerError, OrderRejectedError
from shared.domain.orders.order import Order, State
from shared.domain.orders.rejects import Reject
from shared.domain.times import wire_time
from shared.json_values import Json

ACCEPTED: Final = 202
REFUSED: Final = 422
_HERE: Final = frozenset({State.ACCEPTED, State.HELD, State.SUBMITTED})


def acceptance(order: Order) -> str:
    """The body of a 202: the order is registered with the broker."""
    return orjson.dumps(_accepted(order)).decode()


def acceptance_with_order(order: Order) -> str:
    """The body of a 202 to a caller who waited: the order as it is now."""
    return orjson.dumps(_accepted(order) | {"order": published_order(order)}).decode()


def refusal(order: Order, reject: Reject, request_id: str) -> str:
    """The body of a 422: the problem, under the id of the request that was refused."""
    return write_problem(OrderRejectedError(reject), f"/api/orders/{order.order_id}", request_id)


def of_list(items: Iterable[tuple[int, str]]) -> str:
    """The body of a 207: (status, body) of each order; the bodies are sent as they are stored."""
    written = (f'{{"status":{status},"body":{body}}}' for status, body in items)
    return f'{{"items":[{",".join(written)}]}}'


def not_recorded(error: BrokerError, request_id: str) -> tuple[int, str]:
    """Status and body for one order of a list that is not on record: 429, or 500."""
    return entry_of(error).status, write_problem(error, "/api/orders", request_id)


def _accepted(order: Order) -> Json:
    return {
        "order_id": str(order.order_id),
        "status": order.status,
        "message": "Registered with the broker, not yet at the exchange"
        if order.state in _HERE
        else order.status_message or "The exchange has answered",
        "received_at": wire_time(order.accepted_at),
    }
