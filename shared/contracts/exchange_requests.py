"""Requests to the exchange as they travel: docs/reference/exchange-messages.md, the broker's side.

One message carries a list and belongs to one lane; its id is derived from its requests' ids.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from shared.domain.money import format_rupees
from shared.domain.orders.order import Order
from shared.domain.orders.report_numbers import first_missing
from shared.domain.orders.requests import ExchangeRequest, RequestKind
from shared.domain.orders.terms import OrderType
from shared.domain.times import wire_time
from shared.json_values import Json

LANES: Final = 64
MOST_REQUESTS: Final = 200
_NAMESPACE: Final = UUID("6f0d2f0e-5f0c-5d8b-9a3e-6a5a0c1f7b1d")


def lane_names() -> list[str]:
    """Every lane's session id."""
    return [f"{number:02d}" for number in range(LANES)]


def lane_of(instrument_id: str) -> str:
    """All requests of one instrument share a lane."""
    return f"{zlib.crc32(instrument_id.encode()) % LANES:02d}"


class LaneMessage(NamedTuple):
    """One message to one lane."""

    message_id: UUID
    lane: str
    body: str


def messages(requests: Iterable[ExchangeRequest]) -> list[LaneMessage]:
    """Messages for the requests: per lane, in order, at most MOST_REQUESTS each."""
    lanes: dict[str, list[Json]] = defaultdict(list)
    for request in requests:
        lanes[lane_of(request.order.terms.instrument_id)].append(_written(request))
    return [
        _message(lane, entries[start : start + MOST_REQUESTS])
        for lane, entries in sorted(lanes.items())
        for start in range(0, len(entries), MOST_REQUESTS)
    ]


def _message(lane: str, requests: list[Json]) -> LaneMessage:
    message_id = uuid5(_NAMESPACE, " ".join(request["request_id"] for request in requests))
    return LaneMessage(message_id, lane, json.dumps({"version": 1, "requests": requests}))


def _written(request: ExchangeRequest) -> Json:
    order = request.order
    common = {
        "kind": request.kind.value,
        "request_id": str(request.request_id),
        "order_id": str(order.order_id),
        "account": str(order.user_id),
        "instrument_id": order.terms.instrument_id,
    }
    return common | _MEMBERS[request.kind](order)


def _new(order: Order) -> Json:
    assert order.expire_at is not None, "an order leaves us with the instant after which the exchange refuses it"
    return {
        "side": order.terms.side.value,
        "order_type": OrderType.LIMIT.value,
        "time_in_force": order.terms.time_in_force.value,
        "quantity": order.terms.quantity,
        "price": format_rupees(order.terms.limit_price),
        "expire_at": wire_time(order.expire_at),
    }


def _cancel(order: Order) -> Json:
    return {"orig_request_id": str(order.order_id), "side": order.terms.side.value}


def _status(order: Order) -> Json:
    return {"orig_request_id": str(order.order_id)}


def _resend(order: Order) -> Json:
    return {
        "orig_request_id": str(order.order_id),
        "from_sequence": first_missing(order.venue_sequence, order.missing_reports),
    }


_MEMBERS: Final[Mapping[RequestKind, Callable[[Order], Json]]] = {
    RequestKind.NEW: _new,
    RequestKind.CANCEL: _cancel,
    RequestKind.STATUS: _status,
    RequestKind.RESEND: _resend,
}
"""What each kind of request carries beside the members that all have."""
