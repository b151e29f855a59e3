"""How events move an order: one table of what is legal, and `apply`, the only writer of an order.

Triggers, sagas, timers and operators submit events; `TRANSITIONS` says for every state and every event whether it is
applied, changes nothing (late or repeated), or contradicts what we know. Any order of arrival of one set of reports
ends in the same order: fills are legal before the acknowledgement, a terminal report only fixes `final_quantity`, and
the order ends when the booked quantity reaches it.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from shared.domain.orders.events import (
    Acknowledged,
    CancelRefused,
    CancelRequested,
    Doubted,
    Ended,
    Event,
    ExchangeRejected,
    Filled,
    FundsHeld,
    HandedToRecovery,
    Refused,
    Repeated,
    ReportsIssued,
    Resolution,
    Resolved,
    Submitted,
    UnknownAtVenue,
    VenueReason,
)
from shared.domain.orders.order import Order, Owner, Request, State, changed
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.report_numbers import after_arrival, after_issue, first_missing


class Verdict(StrEnum):
    """What an event does to an order in a state."""

    APPLY = "APPLY"
    IGNORE = "IGNORE"
    REFUSE = "REFUSE"


class IllegalTransitionError(Exception):
    """The event contradicts what we know of the order; nothing was changed."""

    def __init__(self, order: Order, event: Event, why: str = "") -> None:
        self.order = order
        self.event = event
        self.why = why
        detail = f": {why}" if why else ""
        super().__init__(f"{type(event).__name__} is not legal for an order that is {order.state}{detail}")


def _settle(order: Order, event: Event) -> Order:
    """End the order once everything that will ever fill is booked."""
    if order.terminal:
        return order
    final = order.final_quantity
    if final is not None and order.filled_quantity > final:
        raise IllegalTransitionError(order, event, "more is booked than the exchange's final quantity")
    if order.filled_quantity == order.terms.quantity:
        return _end(order, State.FILLED, "")
    if final is None or order.filled_quantity < final:
        return order
    assert order.final_state is not None
    return _end(order, order.final_state, order.status_message)


def _end(order: Order, state: State, message: str, reject_code: RejectCode | None = None) -> Order:
    return changed(
        order,
        state=state,
        pending_request=None,
        pending_request_id=None,
        owner=Owner.NOBODY,
        deadline=None,
        in_doubt=False,
        missing_reports="",
        status_message=message,
        reject_code=reject_code,
    )


type _Report = Acknowledged | Filled | Repeated | Ended | CancelRefused


def _answer(order: Order, event: _Report, at: datetime, *, cum_quantity: int, booked: int | None = None) -> Order:
    """A report of the exchange answers the saga. A gap opens when a number was skipped, or when more has been executed
    than is booked."""
    ceiling = order.terms.quantity if order.final_quantity is None else order.final_quantity
    if cum_quantity > ceiling:
        raise IllegalTransitionError(order, event, f"the exchange reports {cum_quantity} of {ceiling}")
    reported = max(order.venue_quantity, cum_quantity)
    newest, missing = _numbers(order, event)
    answered = changed(
        order,
        answered_at=order.answered_at or at,
        venue_quantity=reported,
        venue_sequence=newest,
        missing_reports=missing,
    )
    if not missing and reported <= (order.filled_quantity if booked is None else booked):
        deadline = event.deadlines.venue
        if order.pending_request is not None and order.deadline is not None:
            deadline = min(deadline, order.deadline)  # the answer to the cancel is still due
        return changed(answered, owner=Owner.VENUE, deadline=deadline, in_doubt=False)
    if order.owner in {Owner.RECOVERY, Owner.OPERATIONS}:
        return answered  # the recovery continues until the gap is closed
    if order.owner is Owner.VENUE and _lacks_the_same(order, answered, booked):
        return answered  # neither a repetition nor later reports postpone the recovery
    return changed(answered, owner=Owner.VENUE, deadline=event.deadlines.gap)


def _numbers(order: Order, event: _Report) -> tuple[int, str]:
    """The order's newest report number and the missing ones, now that this report has arrived."""
    newest, missing = order.venue_sequence, order.missing_reports
    if isinstance(event, CancelRefused):
        return newest, missing
    if isinstance(event, Acknowledged):
        newest, missing = after_issue(newest, missing, event.last_sequence)
    if event.report_sequence is None:
        return newest, missing
    return after_arrival(newest, missing, event.report_sequence)


def _lacks_the_same(before: Order, after: Order, booked: int | None) -> bool:
    """Whether the oldest report that is missing was missing before; executions count where reports have no numbers."""
    if not before.has_gap:
        return False
    if before.missing_reports or after.missing_reports:
        oldest = first_missing(after.venue_sequence, after.missing_reports)
        return first_missing(before.venue_sequence, before.missing_reports) == oldest
    return booked is None and before.venue_quantity == after.venue_quantity


def _hold_funds(order: Order, event: FundsHeld, at: datetime) -> Order:
    return changed(order, state=State.HELD, saga_id=event.saga_id, owner=Owner.SAGA, deadline=event.deadline)


def _refuse(order: Order, event: Refused, at: datetime) -> Order:
    return _end(order, State.REJECTED, event.message, event.reject_code)


def _submit(order: Order, event: Submitted, at: datetime) -> Order:
    return changed(order, state=State.SUBMITTED, submitted_at=at, expire_at=event.expire_at, deadline=event.deadline)


def _acknowledge(order: Order, event: Acknowledged, at: datetime) -> Order:
    answered = _answer(order, event, at, cum_quantity=event.cum_quantity)
    state = State.NEW if order.state is State.SUBMITTED else order.state
    return changed(answered, state=state, exchange_order_id=order.exchange_order_id or event.exchange_order_id)


def _fill(order: Order, event: Filled, at: datetime) -> Order:
    filled = order.filled_quantity + event.quantity
    if filled > order.terms.quantity:
        raise IllegalTransitionError(order, event, f"{filled} of {order.terms.quantity} would be filled")
    if order.terms.is_worse(event.price):
        limit = order.terms.limit_price
        raise IllegalTransitionError(order, event, f"price {event.price} is worse than the limit {limit}")
    reported = max(event.cum_quantity, filled)
    answered = _answer(order, event, at, cum_quantity=reported, booked=filled)
    return changed(
        answered,
        state=State.PARTIALLY_FILLED,
        filled_quantity=filled,
        notional=order.notional + event.quantity * event.price,
        exchange_order_id=order.exchange_order_id or event.exchange_order_id,
    )


def _repeat(order: Order, event: Repeated, at: datetime) -> Order:
    if _numbers(order, event) == (order.venue_sequence, order.missing_reports):
        return order
    return _answer(order, event, at, cum_quantity=order.venue_quantity)


def _note_issued(order: Order, event: ReportsIssued, at: datetime) -> Order:
    newest, missing = after_issue(order.venue_sequence, order.missing_reports, event.last_sequence)
    noted = changed(order, venue_sequence=newest, missing_reports=missing)
    if newest == order.venue_sequence or order.has_gap or order.owner is not Owner.VENUE:
        return noted  # nothing new, or a recovery asks already
    return changed(noted, deadline=event.deadline)


def _never_there(order: Order, event: Event, at: datetime) -> Order:
    """The exchange has not taken the order and never will: an order that was to be cancelled is cancelled."""
    answered = _denied(order, event, at)
    if order.pending_request_id is not None:
        return _end(answered, State.CANCELED, "Canceled before it reached the exchange")
    return _end(answered, State.REJECTED, "It never reached the exchange", RejectCode.NEVER_REACHED_EXCHANGE)


def _denied(order: Order, event: Event, at: datetime) -> Order:
    if order.state is not State.SUBMITTED or order.venue_quantity or order.final_state is not None:
        raise IllegalTransitionError(order, event, "the exchange denies an order that it has acknowledged")
    return changed(order, answered_at=order.answered_at or at)


def _exchange_reject(order: Order, event: ExchangeRejected, at: datetime) -> Order:
    if event.reason in {VenueReason.STALE, VenueReason.TOMBSTONED}:
        return _never_there(order, event, at)
    return _end(_denied(order, event, at), State.REJECTED, event.message, RejectCode.EXCHANGE_REJECTED)


def _request_cancel(order: Order, event: CancelRequested, at: datetime) -> Order:
    if order.state in {State.ACCEPTED, State.HELD}:
        return _end(order, State.CANCELED, "Canceled before it left the broker")
    if order.pending_request is Request.CANCEL:
        return order
    # A saga's or a recovery's deadline stays: it is the nearer one, and it asks the exchange too.
    deadline = event.deadline if order.owner is Owner.VENUE else order.deadline
    return changed(order, pending_request=Request.CANCEL, pending_request_id=event.request_id, deadline=deadline)


def _fix_final(order: Order, event: Ended, at: datetime) -> Order:
    if order.venue_quantity > event.cum_quantity:
        raise IllegalTransitionError(order, event, f"the exchange has reported {order.venue_quantity}")
    if order.final_state not in {None, event.state} or order.final_quantity not in {None, event.cum_quantity}:
        raise IllegalTransitionError(order, event, "the exchange has reported another end")
    answered = _answer(order, event, at, cum_quantity=event.cum_quantity)
    return changed(
        answered,
        final_quantity=event.cum_quantity,
        final_state=event.state,
        status_message=event.reason,
        exchange_order_id=order.exchange_order_id or event.exchange_order_id,
    )


def _refuse_cancel(order: Order, event: CancelRefused, at: datetime) -> Order:
    if event.tombstone:
        return _never_there(order, event, at)
    if order.pending_request is None or event.request_id != order.pending_request_id:
        return order
    message = order.status_message if order.final_state else event.message
    answered = changed(order, pending_request=None, status_message=message)
    refused = _answer(answered, event, at, cum_quantity=event.cum_quantity)
    too_late = event.reason is VenueReason.TOO_LATE
    if refused.owner is Owner.VENUE and (too_late or order.state is State.SUBMITTED):
        # The acknowledgement, or what ended the order there, has not arrived yet: ask if it is lost.
        return changed(refused, deadline=event.deadlines.gap)
    return refused


def _deny_knowledge(order: Order, event: UnknownAtVenue, at: datetime) -> Order:
    # Before `expire_at` our message may still arrive there, so "unknown" proves nothing.
    if order.expire_at is None or event.as_of <= order.expire_at:
        return order
    return _never_there(order, event, at)


def _hand_to_recovery(order: Order, event: HandedToRecovery, at: datetime) -> Order:
    if order.in_doubt:
        return order
    return changed(order, owner=Owner.RECOVERY, deadline=event.deadline)


def _doubt(order: Order, event: Doubted, at: datetime) -> Order:
    if order.in_doubt:
        return order
    return changed(order, owner=Owner.OPERATIONS, deadline=event.deadline, in_doubt=True)


def _resolve(order: Order, event: Resolved, at: datetime) -> Order:
    if not order.in_doubt:
        raise IllegalTransitionError(order, event, "it is not in doubt")
    answered = changed(order, answered_at=order.answered_at or at)
    if event.resolution is Resolution.NOT_RECEIVED:
        if order.venue_quantity or order.venue_sequence or order.state is not State.SUBMITTED:
            raise IllegalTransitionError(order, event, "the exchange has acknowledged it")
        return _end(answered, State.REJECTED, event.message, RejectCode.NEVER_REACHED_EXCHANGE)
    if order.has_gap:
        raise IllegalTransitionError(order, event, "reports are missing: have the exchange resend them first")
    return _end(answered, State.CANCELED, event.message)


_COLUMNS: Final = tuple(State)
_A, _I, _R = Verdict.APPLY, Verdict.IGNORE, Verdict.REFUSE
type _Handler = Callable[[Order, Any, datetime], Order]
_TABLE: Final[dict[type, tuple[_Handler, tuple[Verdict, ...]]]] = {
    #                                    ACC HELD SUB NEW PART FILL CANC REJ EXP
    FundsHeld:        (_hold_funds,       (_A, _I, _I, _I, _I, _I, _I, _I, _I)),
    Refused:          (_refuse,           (_A, _A, _R, _R, _R, _I, _I, _I, _I)),
    Submitted:        (_submit,           (_R, _A, _I, _I, _I, _I, _I, _I, _I)),
    Acknowledged:     (_acknowledge,      (_R, _R, _A, _A, _A, _I, _I, _I, _I)),
    Filled:           (_fill,             (_R, _R, _A, _A, _A, _R, _R, _R, _R)),
    Repeated:         (_repeat,           (_R, _R, _A, _A, _A, _I, _I, _I, _I)),
    ReportsIssued:    (_note_issued,      (_R, _R, _A, _A, _A, _I, _I, _I, _I)),
    ExchangeRejected: (_exchange_reject,  (_R, _R, _A, _R, _R, _I, _I, _I, _I)),
    CancelRequested:  (_request_cancel,   (_A, _A, _A, _A, _A, _R, _R, _R, _R)),
    Ended:            (_fix_final,        (_R, _R, _A, _A, _A, _I, _I, _I, _I)),
    CancelRefused:    (_refuse_cancel,    (_R, _R, _A, _A, _A, _I, _I, _I, _I)),
    UnknownAtVenue:   (_deny_knowledge,   (_R, _R, _A, _A, _A, _I, _I, _I, _I)),
    HandedToRecovery: (_hand_to_recovery, (_I, _I, _A, _A, _A, _I, _I, _I, _I)),
    Doubted:          (_doubt,            (_I, _I, _A, _A, _A, _I, _I, _I, _I)),
    Resolved:         (_resolve,          (_R, _R, _A, _A, _A, _R, _R, _R, _R)),
}  # fmt: skip
TRANSITIONS: Final = {
    (state, event): verdict
    for event, (_, verdicts) in _TABLE.items()
    for state, verdict in zip(_COLUMNS, verdicts, strict=True)
}
"""What every event does to an order in every state."""


def apply(order: Order, event: Event, at: datetime) -> Order:
    """The order after the event; the very same object when the event changes nothing.

    Raises IllegalTransitionError where the event contradicts the order.
    """
    verdict = TRANSITIONS[order.state, type(event)]
    if verdict is Verdict.REFUSE:
        raise IllegalTransitionError(order, event)
    if verdict is Verdict.IGNORE:
        return order
    after = _settle(_TABLE[type(event)][0](order, event, at), event)
    if after == order:
        return order
    if after.visible == order.visible:
        return changed(after, revision=order.revision + 1)
    return changed(after, revision=order.revision + 1, version=order.version + 1, updated_at=at)
