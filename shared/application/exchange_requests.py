"""Requests to the exchange: docs/reference/exchange-messages.md, the broker's side.

One message carries a list and belongs to one lane; its id is derived from its requests' ids.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID, uuid5

from shared.domain.money import format_rupees
from shared.domain.orders import Order
from shared.domain.published import Json, wire_time
from shared.ports.books import ExchangeMessage

LANES = 64
MOST_REQUESTS = 200
_NAMESPACE = UUID("6f0d2f0e-5f0c-5d8b-9a3e-6a5a0c1f7b1d")


def lane_of(instrument_id: str) -> str:
    """All requests of one instrument share a lane."""
    return f"{zlib.crc32(instrument_id.encode()) % LANES:02d}"


def new_order(order: Order, expire_at: datetime) -> Json:
    """NEW; its request id is the order's id."""
    return _request("NEW", order, order.order_id) | {
        "side": order.side.value,
        "order_type": "LIMIT",
        "time_in_force": order.time_in_force.value,
        "quantity": order.quantity,
        "price": format_rupees(order.limit_price),
        "expire_at": wire_time(expire_at),
    }


def cancel(order: Order, request_id: UUID) -> Json:
    """CANCEL of what is left."""
    asked = {"orig_request_id": str(order.order_id), "side": order.side.value}
    return _request("CANCEL", order, request_id) | asked


def status(order: Order, attempt: str) -> Json:
    """STATUS; every attempt is a request of its own, because the answer is only as good as its time."""
    return _request("STATUS", order, uuid5(order.order_id, f"status/{attempt}")) | {
        "orig_request_id": str(order.order_id)
    }


def resend(order: Order, attempt: str) -> Json:
    """RESEND of all reports of the order; duplicates change nothing."""
    asked = {"orig_request_id": str(order.order_id), "from_sequence": 1}
    return _request("RESEND", order, uuid5(order.order_id, f"resend/{attempt}")) | asked


def cancel_request_id(order: Order) -> UUID:
    """Derived from the version it is asked at, so that a retried call asks once."""
    return uuid5(order.order_id, f"cancel/{order.version}")


def messages(requests: Iterable[tuple[str, Json]]) -> list[ExchangeMessage]:
    """Messages for (instrument_id, request) pairs: per lane, in order, at most MOST_REQUESTS each."""
    lanes: dict[str, list[Json]] = defaultdict(list)
    for instrument_id, request in requests:
        lanes[lane_of(instrument_id)].append(request)
    return [
        _message(lane, entries[start : start + MOST_REQUESTS])
        for lane, entries in sorted(lanes.items())
        for start in range(0, len(entries), MOST_REQUESTS)
    ]


def _message(lane: str, requests: list[Json]) -> ExchangeMessage:
    message_id = uuid5(_NAMESPACE, " ".join(request["request_id"] for request in requests))
    return ExchangeMessage(message_id, lane, json.dumps({"version": 1, "requests": requests}))


def _request(kind: str, order: Order, request_id: UUID) -> Json:
    return {
        "kind": kind,
        "request_id": str(request_id),
        "order_id": str(order.order_id),
        "account": str(order.user_id),
        "instrument_id": order.instrument_id,
    }
