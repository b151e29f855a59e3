"""The events that move an order, in the words of FIX 4.4. Quantities in shares, prices in paise, times in UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.orders.order import State
from shared.domain.orders.rejects import RejectCode


class VenueReason(StrEnum):
    """Why the exchange refused an order or a request (FIX 103 and 102), where the reason decides what follows.

    Any other reason is a refusal of the order as such and is only shown.
    """

    STALE = "STALE"
    """The order arrived after its `expire_at`: the exchange has not taken it and never will."""
    TOMBSTONED = "TOMBSTONED"
    """A cancel had arrived before the order: the exchange has not taken it and never will."""
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    """The order is known already; the report says how the first one stands."""
    TOO_LATE = "TOO_LATE"
    """A cancel arrived after the order had ended."""
    OTHER = "OTHER"

    @classmethod
    def _missing_(cls, _value: object) -> "VenueReason":
        return cls.OTHER


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When an order at the exchange is asked about: at `venue` (the session's end) if nothing happens,
    at `gap` if reports that the exchange has issued do not arrive."""

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

    reject_code: RejectCode
    message: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """Queued for the exchange in this commit; the exchange refuses it after `expire_at`."""

    expire_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The exchange has the order (FIX ExecType NEW, or a status answer).

    `report_sequence` is the report's own number; `last_sequence`, of a status answer, the newest that was issued.
    """

    exchange_order_id: str | None
    cum_quantity: int
    deadlines: Deadlines
    report_sequence: int | None = None
    last_sequence: int = 0


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
    report_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Repeated:
    """An execution that is booked already arrived again; only its report's number may be new to us."""

    report_sequence: int
    deadlines: Deadlines


@dataclass(frozen=True, slots=True)
class ReportsIssued:
    """The exchange's records name the newest number of the order's reports; what has not arrived is asked for at
    `deadline`."""

    last_sequence: int
    deadline: datetime


@dataclass(frozen=True, slots=True)
class ExchangeRejected:
    """The exchange refused the order."""

    reason: VenueReason
    message: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The client, or operations for it, requests that the rest is cancelled."""

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
    report_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The exchange could not cancel; `tombstone`: it has never seen the order and never will take it."""

    request_id: UUID
    reason: VenueReason
    message: str
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


class Closing(StrEnum):
    """NOT_RECEIVED, CANCELED: an operator decided so; ANSWERED_BY_EXCHANGE: the exchange's own late answer came."""

    NOT_RECEIVED = "NOT_RECEIVED"
    CANCELED = "CANCELED"
    ANSWERED_BY_EXCHANGE = "ANSWERED_BY_EXCHANGE"


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
    | Repeated
    | ReportsIssued
    | ExchangeRejected
    | CancelRequested
    | Ended
    | CancelRefused
    | UnknownAtVenue
    | HandedToRecovery
    | Doubted
    | Resolved
)
