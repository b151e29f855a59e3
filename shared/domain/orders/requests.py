"""Which request an event sends to the exchange: decided here, once, from the order before and after it.

Every request has an id of its own (FIX ClOrdID, 11) and is idempotent by it; ids are derived, so that whatever runs
again asks for the same thing under the same id.
"""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from shared.domain.orders.order import AT_VENUE, Order, Request, State


class RequestKind(StrEnum):
    """What a request asks for."""

    NEW = "NEW"
    CANCEL = "CANCEL"
    STATUS = "STATUS"
    RESEND = "RESEND"


class ExchangeRequest(NamedTuple):
    """One request about one order, as the order was when it was made."""

    kind: RequestKind
    order: Order
    request_id: UUID


def request_of(before: Order, after: Order) -> ExchangeRequest | None:
    """What the exchange must be asked because `before` became `after`."""
    if after.state is State.SUBMITTED and before.state is State.HELD:
        return ExchangeRequest(RequestKind.NEW, after, after.order_id)
    if after.pending_request_id != before.pending_request_id:
        return cancel_again(after)
    return None


def cancel_again(order: Order) -> ExchangeRequest | None:
    """The cancel that the exchange has not answered, under the same id; None when there is none."""
    if order.state not in AT_VENUE or order.pending_request is not Request.CANCEL or order.pending_request_id is None:
        return None
    return ExchangeRequest(RequestKind.CANCEL, order, order.pending_request_id)


def ask_status(order: Order, attempt: str) -> ExchangeRequest:
    """How the order stands; every attempt is a request of its own, because an answer is only as good as its time."""
    return ExchangeRequest(RequestKind.STATUS, order, uuid5(order.order_id, f"status/{attempt}"))


def ask_resend(order: Order, attempt: str) -> ExchangeRequest:
    """The order's reports from the first that has not arrived; duplicates change nothing."""
    return ExchangeRequest(RequestKind.RESEND, order, uuid5(order.order_id, f"resend/{attempt}"))


def cancel_request_id(order: Order) -> UUID:
    """Derived from the revision that it is asked at, so that a call that is retried asks once."""
    return uuid5(order.order_id, f"cancel/{order.revision}")
