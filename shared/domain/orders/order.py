"""The order: its terms and everything about it that moves.

An order moves by events only (`transitions.apply`). Names and meanings are FIX 4.4's.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Final, NamedTuple, TypedDict, Unpack
from uuid import UUID

from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import Terms


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
_NOT_ACKNOWLEDGED: Final = frozenset({State.ACCEPTED, State.HELD, State.SUBMITTED})


class Request(StrEnum):
    """A request of ours that the exchange has not answered."""

    CANCEL = "CANCEL"
    REPLACE = "REPLACE"


class Status(StrEnum):
    """The published status (FIX OrdStatus, 39)."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class Owner(StrEnum):
    """Who must move the order next, by `deadline` at the latest."""

    DISPATCHER = "DISPATCHER"
    SAGA = "SAGA"
    VENUE = "VENUE"
    RECOVERY = "RECOVERY"
    OPERATIONS = "OPERATIONS"
    NOBODY = "NOBODY"


class OrderKey(NamedTuple):
    """An order of a user. Sorted, keys give the order in which rows are locked."""

    user_id: UUID
    order_id: UUID


def published_status(state: State, pending: Request | None) -> Status:
    """The status that clients see, by FIX 4.4's order of precedence (appendix D)."""
    if state in TERMINAL:
        return Status(state)
    if pending is not None:
        return Status(f"PENDING_{pending}")
    return Status.PENDING_NEW if state in _NOT_ACKNOWLEDGED else Status(state)


PUBLISHED_STATUS: Final[Mapping[tuple[State, Request | None], Status]] = {
    (state, pending): published_status(state, pending) for state, pending in product(State, (None, *Request))
}


class Order(NamedTuple):
    """One order of one user at one venue. Notional and charges in paise, quantities as in its terms.

    A tuple, because every event makes a new order and a frozen dataclass sets its fields one by one.
    """

    user_id: UUID
    order_id: UUID
    terms: Terms
    trade_date: str
    """India's date of the session that accepted it; pins the rate card and the other dated tables."""
    accepted_at: datetime
    updated_at: datetime
    """When something last changed that the client can see."""
    state: State = State.ACCEPTED
    pending_request: Request | None = None
    pending_request_id: UUID | None = None
    """Id of the newest cancel request; a refused one stays, as the record that a cancel was requested."""
    filled_quantity: int = 0
    notional: int = 0
    venue_quantity: int = 0
    """The highest cumulative quantity that the exchange has reported; above `filled_quantity` there is a gap."""
    venue_sequence: int = 0
    """The highest number of the order's reports that the exchange is known to have issued."""
    missing_reports: str = ""
    """The numbers up to `venue_sequence` that have not arrived: see `report_numbers`."""
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
    reject_code: RejectCode | None = None
    status_message: str = ""
    client_order_id: str | None = None
    tag: str | None = None
    version: int = 1
    """Rises with each change that the client can see: the ETag of the HTTP contract."""
    revision: int = 1
    """Rises with each event; numbers the order's history."""

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.user_id, self.order_id)

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def leaves_quantity(self) -> int:
        """What can still fill (FIX 151): nothing once the order has ended."""
        if self.terminal:
            return 0
        ceiling = self.terms.quantity if self.final_quantity is None else self.final_quantity
        return ceiling - self.filled_quantity

    @property
    def canceled_quantity(self) -> int:
        """What will never fill any more."""
        if self.terminal:
            return self.terms.quantity - self.filled_quantity
        return 0 if self.final_quantity is None else self.terms.quantity - self.final_quantity

    @property
    def status(self) -> Status:
        """The published status."""
        return PUBLISHED_STATUS[self.state, self.pending_request]

    @property
    def has_gap(self) -> bool:
        """The exchange has issued reports, or reported executions, that have not arrived."""
        return not self.terminal and (self.missing_reports != "" or self.venue_quantity > self.filled_quantity)

    @property
    def visible(self) -> tuple[object, ...]:
        """What of an order that moves its client can see, apart from `version` and `updated_at`."""
        return (
            self.status,
            self.pending_request,
            self.filled_quantity,
            self.notional,
            self.leaves_quantity,
            self.canceled_quantity,
            self.status_message,
            self.reject_code,
            self.exchange_order_id,
            self.in_doubt,
        )


class Moves(TypedDict, total=False):
    """The fields of an order that change after it was made; a test compares them with `Order`."""

    accepted_at: datetime
    updated_at: datetime
    state: State
    pending_request: Request | None
    pending_request_id: UUID | None
    filled_quantity: int
    notional: int
    venue_quantity: int
    venue_sequence: int
    missing_reports: str
    final_quantity: int | None
    final_state: State | None
    charges: int
    owner: Owner
    deadline: datetime | None
    in_doubt: bool
    saga_id: UUID | None
    submitted_at: datetime | None
    expire_at: datetime | None
    answered_at: datetime | None
    exchange_order_id: str | None
    reject_code: RejectCode | None
    status_message: str
    client_order_id: str | None
    version: int
    revision: int


_PLACES: Final = {name: place for place, name in enumerate(Order._fields)}


def changed(order: Order, **moves: Unpack[Moves]) -> Order:
    """The order with these fields changed: `Order._replace`, typed, at a third of its time."""
    values: list[object] = list(order)
    for name, value in moves.items():
        values[_PLACES[name]] = value
    return Order._make(values)
