"""What the venue is asked to do, as its journal keeps it.

Everything a verdict depends on is inside the entry (time, trade date, and the `refusal` of the checks that
need instrument data, clock or chance), so replaying a journal needs nothing else and gives the same reports.
"""

from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Request kinds of exchange-messages.md."""

    NEW = "NEW"
    REPLACE = "REPLACE"
    CANCEL = "CANCEL"
    STATUS = "STATUS"
    RESEND = "RESEND"


class Reason(StrEnum):
    """The closed list of reasons of exchange-messages.md."""

    STALE = "STALE"
    TOMBSTONED = "TOMBSTONED"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    TOO_LATE = "TOO_LATE"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    MARKET_CLOSED = "MARKET_CLOSED"
    PRICE_TICK = "PRICE_TICK"
    PRICE_BAND = "PRICE_BAND"
    QUANTITY = "QUANTITY"
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    MALFORMED = "MALFORMED"
    IOC_REMAINDER = "IOC_REMAINDER"
    SESSION_END = "SESSION_END"
    REQUESTED = "REQUESTED"
    SELF_TRADE = "SELF_TRADE"
    SIMULATED = "SIMULATED"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the broker; `price` in paise, `refusal` the verdict of the checks made at intake."""

    kind: Kind
    request_id: str
    order_id: str
    instrument_id: str = ""
    account: str = ""
    side: str = ""
    time_in_force: str = "DAY"
    quantity: int = 0
    price: int = 0
    from_sequence: int = 1
    refusal: Reason | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Send reports of an order again: those from `from_sequence` on, and those answering `request_id`."""

    order_id: str
    request_id: str
    from_sequence: int = 1


@dataclass(frozen=True, slots=True)
class Quotes:
    """The market makers' whole ladder of one instrument, replacing the one before; (paise, quantity) pairs."""

    instrument_id: str
    reference: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Expire the oldest `limit` live orders, and take the makers' quotes out."""

    limit: int


@dataclass(frozen=True, slots=True)
class MarketState:
    """What the feed says of the whole market from here on; a greater `epoch` starts all sequences again.

    `offset_us` is the market clock minus the real one, `instruments` are those listed.
    """

    epoch: int
    phase: str
    offset_us: int
    instruments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParticipantOrder:
    """Some participant, who is no client, takes at most `quantity` of the makers' best quote, if that is the best."""

    instrument_id: str
    buy: bool
    quantity: int


@dataclass(frozen=True, slots=True)
class LateTrade:
    """A trade outside the book, of an earlier minute (`traded_at`, exchange time in microseconds), reported now."""

    instrument_id: str
    price: int
    quantity: int
    traded_at: int


_REQUEST_FIELDS = tuple(field.name for field in fields(Request) if field.name != "kind")
# Commands whose JSON has their fields as they are.
_FLAT: dict[str, type[Repeat] | type[SessionEnd] | type[ParticipantOrder] | type[LateTrade]] = {
    command.__name__.upper(): command for command in (Repeat, SessionEnd, ParticipantOrder, LateTrade)
}

type OwnCommand = Quotes | SessionEnd | MarketState | ParticipantOrder | LateTrade
type Command = Request | Repeat | OwnCommand


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal row. `received_at` is UTC and never falls from one position to the next."""

    position: int
    received_at: datetime
    trade_date: date
    command: Command

    @property
    def request_id(self) -> str | None:
        """The id that makes a request idempotent; None for what the broker did not ask."""
        return self.command.request_id if isinstance(self.command, Request) else None


def encode(command: Command) -> tuple[str, dict[str, Any]]:
    """A command as its journal kind and JSON body."""
    if isinstance(command, Request):
        values = ((name, getattr(command, name)) for name in _REQUEST_FIELDS)
        return command.kind.value, {name: value for name, value in values if value not in (None, "")}
    return type(command).__name__.upper(), asdict(command)


def decode(kind: str, body: dict[str, Any]) -> Command:
    """Inverse of `encode`."""
    if flat := _FLAT.get(kind):
        return flat(**body)
    match kind:
        case "MARKETSTATE":
            return MarketState(**body | {"instruments": tuple(body["instruments"])})
        case "QUOTES":
            bids, asks = (tuple((price, quantity) for price, quantity in body[side]) for side in ("bids", "asks"))
            return Quotes(body["instrument_id"], body["reference"], bids, asks)
    refusal = body.pop("refusal", None)
    return Request(kind=Kind(kind), refusal=Reason(refusal) if refusal else None, **body)
