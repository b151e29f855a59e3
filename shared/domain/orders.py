"""The order: its states, the events that move it, and `apply`, the only writer of an order.

Triggers, sagas, timers and operators submit events; `TRANSITIONS` says for every state and every
event whether it is applied, changes nothing (late or repeated), or contradicts what we know.
Names and meanings are FIX 4.4's. Any order of arrival of one set of reports ends in the same order:
fills are legal before the acknowledgement, a terminal report only fixes `final_quantity`, and the
order ends when the booked quantity reaches it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID


class Side(StrEnum):
    """FIX Side (54)."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """FIX OrdType (40); which of them are offered is data."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(StrEnum):
    """FIX TimeInForce (59); which of them are offered is data."""

    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"
    GTC = "GTC"
    GTD = "GTD"


class Product(StrEnum):
    """India's product codes: delivery, intraday, carry-forward, margin funded; which are offered is data."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"
    MTF = "MTF"


class State(StrEnum):
    """Where an order stands. The first three are published as PENDING_NEW."""

    ACCEPTED = "ACCEPTED"
    HELD = "HELD"
    SUBMITTED = "SUBMITTED"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


TERMINAL: Final = frozenset({State.FILLED, State.CANCELED, State.REJECTED, State.EXPIRED})
AT_VENUE: Final = frozenset({State.SUBMITTED, State.NEW, State.PARTIALLY_FILLED})


class Request(StrEnum):
    """A request of ours that the exchange has not answered."""

    CANCEL = "CANCEL"
    REPLACE = "REPLACE"


class Owner(StrEnum):
    """Who must move the order next, by `deadline` at the latest."""

    DISPATCHER = "DISPATCHER"
    SAGA = "SAGA"
    VENUE = "VENUE"
    RECOVERY = "RECOVERY"
    OPERATIONS = "OPERATIONS"
    NOBODY = "NOBODY"


class Order(NamedTuple):
    """One order of one user. Prices and notional in paise, quantities in shares.

    A tuple, because every event makes a new order and a frozen dataclass sets its fields one by one.
    """

    user_id: UUID
    order_id: UUID
    instrument_id: str
    side: Side
    order_type: OrderType
    product: Product
    time_in_force: TimeInForce
    quantity: int
    price: int | None
    """The limit the client gave; None for MARKET."""
    limit_price: int
    """What goes to the exchange: the limit, or the protection price of a MARKET order."""
    trade_date: str
    """India's date of the session that accepted it; pins the rate card and the other dated tables."""
    accepted_at: datetime
    updated_at: datetime
    state: State = State.ACCEPTED
    pending_request: Request | None = None
    pending_request_id: UUID | None = None
    """Id of the newest cancel request; a refused one stays, so that the order remembers it was asked for."""
    filled_quantity: int = 0
    notional: int = 0
    venue_quantity: int = 0
    """The highest cumulative quantity the exchange has told; above `filled_quantity` there is a gap."""
    final_quantity: int | None = None
    """Cumulative quantity that a terminal report fixed."""
    final_state: State | None = None
    charges: int = 0
    owner: Owner = Owner.DISPATCHER
    deadline: datetime | None = None
    in_doubt: bool = False
    saga_id: UUID | None = None
    submitted_at: datetime | None = None
    expire_at: datetime | None = None
    answered_at: datetime | None = None
    exchange_order_id: str | None = None
    reject_code: str | None = None
    status_message: str = ""
    client_order_id: str | None = None
    disclosed_quantity: int | None = None
    tag: str | None = None
    version: int = 1

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def leaves_quantity(self) -> int:
        """What can still fill (FIX 151): nothing once the order has ended."""
        if self.terminal:
            return 0
        ceiling = self.quantity if self.final_quantity is None else self.final_quantity
        return ceiling - self.filled_quantity

    @property
    def canceled_quantity(self) -> int:
        """What will never fill any more."""
        if self.terminal:
            return self.quantity - self.filled_quantity
        return 0 if self.final_quantity is None else self.quantity - self.final_quantity

    @property
    def status(self) -> str:
        """The published status, by FIX 4.4's order of precedence (appendix D)."""
        if self.terminal:
            return self.state.value
        if self.pending_request is not None:
            return f"PENDING_{self.pending_request.value}"
        return "PENDING_NEW" if self.state in {State.ACCEPTED, State.HELD, State.SUBMITTED} else self.state.value

    @property
    def has_gap(self) -> bool:
        """The exchange has told of executions that have not arrived."""
        return not self.terminal and self.venue_quantity > self.filled_quantity


_PLACES: Final = {name: place for place, name in enumerate(Order._fields)}


def changed(order: Order, **changes: Any) -> Order:
    """`Order._replace`, which looks every field up, at a third of its time."""
    values: list[Any] = list(order)
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return Order._make(values)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When an order at the exchange is asked about: at `venue` (the session's end) if nothing happens,
    at `gap` if executions that the exchange has told of do not arrive."""

    venue: datetime
    gap: datetime


@dataclass(frozen=True, slots=True)
class FundsHeld:
    """The hold stands; the saga owns the order until `deadline`."""

    saga_id: UUID
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """We refuse an order that never left us; its hold, if any, is released."""

    reject_code: str
    message: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """Queued for the exchange in this commit; the exchange refuses it after `expire_at`."""

    expire_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The exchange has the order (FIX ExecType NEW, or a status answer)."""

    exchange_order_id: str | None
    cum_quantity: int
    deadlines: Deadlines


@dataclass(frozen=True, slots=True)
class Filled:
    """One execution (FIX ExecType TRADE)."""

    venue: str
    trade_date: str
    exec_id: str
    quantity: int
    price: int
    cum_quantity: int
    executed_at: datetime
    deadlines: Deadlines
    match_id: str | None = None
    exchange_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExchangeRejected:
    """The exchange refused the order."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The client, or operations for it, wants the rest cancelled."""

    request_id: UUID
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """The exchange cancelled or expired the order after `cum_quantity` had been filled."""

    state: State
    cum_quantity: int
    reason: str
    deadlines: Deadlines
    exchange_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The exchange could not cancel; `tombstone`: it has never seen the order and never will take it."""

    request_id: UUID
    reason: str
    tombstone: bool
    cum_quantity: int
    deadlines: Deadlines


@dataclass(frozen=True, slots=True)
class UnknownAtVenue:
    """A status answer: the exchange does not know the order at its time `as_of`."""

    as_of: datetime


@dataclass(frozen=True, slots=True)
class HandedToRecovery:
    """No answer by the deadline; a recovery asks the exchange."""

    deadline: datetime


@dataclass(frozen=True, slots=True)
class Doubted:
    """The recovery got no conclusive answer: operations decide, the hold stays."""

    deadline: datetime


class Resolution(StrEnum):
    """What an operator has established with the exchange, with evidence."""

    NOT_RECEIVED = "NOT_RECEIVED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Resolved:
    """An operator closes an order in doubt."""

    resolution: Resolution
    message: str


type Event = (
    FundsHeld
    | Refused
    | Submitted
    | Acknowledged
    | Filled
    | ExchangeRejected
    | CancelRequested
    | Ended
    | CancelRefused
    | UnknownAtVenue
    | HandedToRecovery
    | Doubted
    | Resolved
)


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
        detail = f": {why}" if why else ""
        super().__init__(f"{type(event).__name__} is not legal for an order that is {order.state}{detail}")


_COLUMNS: Final = tuple(State)
_A, _I, _R = Verdict.APPLY, Verdict.IGNORE, Verdict.REFUSE
#                                     ACC HELD SUB NEW PART FILL CANC REJ EXP
_TABLE: Final[dict[type, tuple[Verdict, ...]]] = {
    FundsHeld:        (_A, _I, _I, _I, _I, _I, _I, _I, _I),
    Refused:          (_A, _A, _R, _R, _R, _I, _I, _I, _I),
    Submitted:        (_R, _A, _I, _I, _I, _I, _I, _I, _I),
    Acknowledged:     (_R, _R, _A, _A, _A, _I, _I, _I, _I),
    Filled:           (_R, _R, _A, _A, _A, _R, _R, _R, _R),
    ExchangeRejected: (_R, _R, _A, _R, _R, _I, _I, _I, _I),
    CancelRequested:  (_A, _A, _A, _A, _A, _R, _R, _R, _R),
    Ended:            (_R, _R, _A, _A, _A, _I, _I, _I, _I),
    CancelRefused:    (_R, _R, _A, _A, _A, _I, _I, _I, _I),
    UnknownAtVenue:   (_R, _R, _A, _A, _A, _I, _I, _I, _I),
    HandedToRecovery: (_I, _I, _A, _A, _A, _I, _I, _I, _I),
    Doubted:          (_I, _I, _A, _A, _A, _I, _I, _I, _I),
    Resolved:         (_R, _R, _A, _A, _A, _R, _R, _R, _R),
}  # fmt: skip
TRANSITIONS: Final = {
    (state, event): verdict for event, row in _TABLE.items() for state, verdict in zip(_COLUMNS, row, strict=True)
}


def apply(order: Order, event: Event, at: datetime) -> Order:
    """The order after the event; the very same object when the event changes nothing.

    Raises IllegalTransitionError where the event contradicts the order.
    """
    verdict = TRANSITIONS[order.state, type(event)]
    if verdict is Verdict.REFUSE:
        raise IllegalTransitionError(order, event)
    if verdict is Verdict.IGNORE:
        return order
    after = _settle(_HANDLERS[type(event)](order, event, at), event)
    return order if after == order else changed(after, version=order.version + 1, updated_at=at)


def _settle(order: Order, event: Event) -> Order:
    """End the order once everything that will ever fill is booked."""
    if order.terminal:
        return order
    final = order.final_quantity
    if final is not None and order.filled_quantity > final:
        raise IllegalTransitionError(order, event, "more is booked than the exchange's final quantity")
    if order.filled_quantity == order.quantity:
        return _end(order, State.FILLED, "")
    if final is None or order.filled_quantity < final:
        return order
    assert order.final_state is not None
    return _end(order, order.final_state, order.status_message)


def _end(order: Order, state: State, message: str, reject_code: str | None = None) -> Order:
    return changed(
        order,
        state=state,
        pending_request=None,
        pending_request_id=None,
        owner=Owner.NOBODY,
        deadline=None,
        in_doubt=False,
        status_message=message,
        reject_code=reject_code,
    )


def _hear(
    order: Order, event: Event, at: datetime, *, cum_quantity: int, deadlines: Deadlines, booked: int | None = None
) -> Order:
    """The exchange has spoken: that answers the saga, and a higher cumulative quantity opens a gap."""
    ceiling = order.quantity if order.final_quantity is None else order.final_quantity
    if cum_quantity > ceiling:
        raise IllegalTransitionError(order, event, f"the exchange tells of {cum_quantity} of {ceiling}")
    told = max(order.venue_quantity, cum_quantity)
    heard = changed(order, answered_at=order.answered_at or at, venue_quantity=told)
    if told <= (order.filled_quantity if booked is None else booked):
        return changed(heard, owner=Owner.VENUE, deadline=deadlines.venue, in_doubt=False)
    if order.owner in {Owner.RECOVERY, Owner.OPERATIONS}:
        return heard  # whoever asks goes on asking until the gap is closed
    if booked is None and order.has_gap and told == order.venue_quantity:
        return heard  # a repetition does not put the question off
    return changed(heard, owner=Owner.VENUE, deadline=deadlines.gap)


def _hold_funds(order: Order, event: FundsHeld, at: datetime) -> Order:
    return changed(order, state=State.HELD, saga_id=event.saga_id, owner=Owner.SAGA, deadline=event.deadline)


def _refuse(order: Order, event: Refused, at: datetime) -> Order:
    return _end(order, State.REJECTED, event.message, event.reject_code)


def _submit(order: Order, event: Submitted, at: datetime) -> Order:
    return changed(order, state=State.SUBMITTED, submitted_at=at, expire_at=event.expire_at, deadline=event.deadline)


def _acknowledge(order: Order, event: Acknowledged, at: datetime) -> Order:
    heard = _hear(order, event, at, cum_quantity=event.cum_quantity, deadlines=event.deadlines)
    state = State.NEW if order.state is State.SUBMITTED else order.state
    return changed(heard, state=state, exchange_order_id=order.exchange_order_id or event.exchange_order_id)


def _fill(order: Order, event: Filled, at: datetime) -> Order:
    filled = order.filled_quantity + event.quantity
    if filled > order.quantity:
        raise IllegalTransitionError(order, event, f"{filled} of {order.quantity} would be filled")
    if event.price > order.limit_price if order.side is Side.BUY else event.price < order.limit_price:
        raise IllegalTransitionError(order, event, f"price {event.price} is worse than the limit {order.limit_price}")
    told = max(event.cum_quantity, filled)
    heard = _hear(order, event, at, cum_quantity=told, deadlines=event.deadlines, booked=filled)
    return changed(
        heard,
        state=State.PARTIALLY_FILLED,
        filled_quantity=filled,
        notional=order.notional + event.quantity * event.price,
        exchange_order_id=order.exchange_order_id or event.exchange_order_id,
    )


def _never_there(order: Order, event: Event, at: datetime) -> Order:
    """The exchange has not taken the order and never will: an order that was to be cancelled is cancelled."""
    answered = _denied(order, event, at)
    if order.pending_request_id is not None:
        return _end(answered, State.CANCELED, "Canceled before it reached the exchange")
    return _end(answered, State.REJECTED, "It never reached the exchange", "NEVER_REACHED_EXCHANGE")


def _denied(order: Order, event: Event, at: datetime) -> Order:
    if order.state is not State.SUBMITTED or order.venue_quantity or order.final_state is not None:
        raise IllegalTransitionError(order, event, "the exchange denies an order that it has acknowledged")
    return changed(order, answered_at=order.answered_at or at)


def _exchange_reject(order: Order, event: ExchangeRejected, at: datetime) -> Order:
    if event.reason in {"STALE", "TOMBSTONED"}:
        return _never_there(order, event, at)
    return _end(_denied(order, event, at), State.REJECTED, event.message, "EXCHANGE_REJECTED")


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
        raise IllegalTransitionError(order, event, f"the exchange has told of {order.venue_quantity}")
    if order.final_state not in {None, event.state} or order.final_quantity not in {None, event.cum_quantity}:
        raise IllegalTransitionError(order, event, "the exchange has told of another end")
    heard = _hear(order, event, at, cum_quantity=event.cum_quantity, deadlines=event.deadlines)
    return changed(
        heard,
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
    heard = _hear(order, event, at, cum_quantity=event.cum_quantity, deadlines=event.deadlines)
    told = order.status_message if order.final_state else f"The exchange refused to cancel: {event.reason}"
    refused = changed(heard, pending_request=None, status_message=told)
    if refused.owner is Owner.VENUE and (event.reason == "TOO_LATE" or order.state is State.SUBMITTED):
        # The acknowledgement, or what ended the order there, is still on its way: ask if it is lost.
        return changed(refused, deadline=event.deadlines.gap)
    return refused


def _deny(order: Order, event: UnknownAtVenue, at: datetime) -> Order:
    # Before `expire_at` our message may still be on its way, so "unknown" proves nothing.
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
        if order.venue_quantity or order.state is not State.SUBMITTED:
            raise IllegalTransitionError(order, event, "the exchange has acknowledged it")
        return _end(answered, State.REJECTED, event.message, "NEVER_REACHED_EXCHANGE")
    if order.has_gap:
        raise IllegalTransitionError(order, event, "executions are missing: have the exchange resend them first")
    return _end(answered, State.CANCELED, event.message)


_HANDLERS: Final[dict[type, Callable[[Order, Any, datetime], Order]]] = {
    FundsHeld: _hold_funds,
    Refused: _refuse,
    Submitted: _submit,
    Acknowledged: _acknowledge,
    Filled: _fill,
    ExchangeRejected: _exchange_reject,
    CancelRequested: _request_cancel,
    Ended: _fix_final,
    CancelRefused: _refuse_cancel,
    UnknownAtVenue: _deny,
    HandedToRecovery: _hand_to_recovery,
    Doubted: _doubt,
    Resolved: _resolve,
}
