"""Frames of docs/reference/market-feed.md as this side writes them, and the answers of a resend.

The broker has its own model of the same page; tests/exchange/test_feed_messages.py compares this one with it. Prices
are integer paise, turnover is paise x units, times are exchange time in microseconds since 1970 UTC.
"""

from enum import StrEnum
from typing import Final

import msgspec

VERSION: Final = 1
MINUTE_US: Final = 60_000_000


class SessionPhase(StrEnum):
    """What the venue does with orders in an instrument."""

    PRE_OPEN = "PRE_OPEN"
    CONTINUOUS = "CONTINUOUS"
    CLOSING_AUCTION = "CLOSING_AUCTION"
    HALTED = "HALTED"
    CLOSED = "CLOSED"


class Level(msgspec.Struct, frozen=True, array_like=True):
    """One price level of a book."""

    price: int
    quantity: int
    orders: int


class State(msgspec.Struct, frozen=True, array_like=True):
    """An instrument as of one sequence; day figures are those of the trade date."""

    phase: SessionPhase
    last_price: int | None
    last_quantity: int | None
    last_trade_at: int | None
    cumulative_volume: int
    cumulative_turnover: int
    day_open: int | None
    day_high: int | None
    day_low: int | None
    previous_close: int | None
    lower_circuit: int
    upper_circuit: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    total_bid_quantity: int
    total_ask_quantity: int
    open_interest: int | None = None


class Traded(msgspec.Struct, frozen=True, array_like=True):
    """The trades of one window, all of one exchange minute (its start in microseconds) and phase."""

    minute: int
    count: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Everything that happened to one instrument between two sequences, both included."""

    instrument_id: str
    first_sequence: int
    last_sequence: int
    exchange_time: int
    state: State
    traded: Traded | None


class Windows(msgspec.Struct, frozen=True, array_like=True, tag="windows"):
    """Changes of a shard, in the order of the venue."""

    shard: str
    epoch: int
    trade_date: str
    sent_at: int
    windows: tuple[Window, ...]
    version: int = VERSION


class Keyframe(msgspec.Struct, frozen=True, array_like=True, tag="keyframe"):
    """The whole shard: `first_sequence` is `last_sequence` + 1, `traded` is None."""

    shard: str
    epoch: int
    trade_date: str
    sent_at: int
    windows: tuple[Window, ...]
    version: int = VERSION


class Heartbeat(msgspec.Struct, frozen=True, array_like=True, tag="heartbeat"):
    """The shard is alive, and these are its instruments' newest sequences."""

    shard: str
    epoch: int
    trade_date: str
    sent_at: int
    phase: SessionPhase
    sequences: dict[str, int]
    version: int = VERSION


type Frame = Windows | Keyframe | Heartbeat

_encoder = msgspec.msgpack.Encoder()


def encode(frame: Frame) -> bytes:
    """Body of the event."""
    return _encoder.encode(frame)


class Trade(msgspec.Struct, frozen=True):
    """One trade, as a resend gives it."""

    epoch: int
    sequence: int
    exchange_time: int
    phase: SessionPhase
    price: int
    quantity: int


class Resend(msgspec.Struct, frozen=True):
    """Answer of the two resend queries; trades in the order of (epoch, sequence)."""

    trades: list[Trade]
    epoch: int
    through_sequence: int
    next_after: int | None = None
    next_epoch: int | None = None


def minute_of(exchange_time: int) -> int:
    """Start of the minute."""
    return exchange_time - exchange_time % MINUTE_US


def keyframe_window(instrument_id: str, sequence: int, exchange_time: int, state: State) -> Window:
    """The instrument as of a sequence, for a keyframe."""
    return Window(instrument_id, sequence + 1, sequence, exchange_time, state, None)


class StreamTrade(msgspec.Struct, frozen=True, array_like=True):
    """One trade in the exchange's own stream."""

    instrument_id: str
    sequence: int
    exchange_time: int
    price: int
    quantity: int


class Update(msgspec.Struct, frozen=True, array_like=True):
    """One line of the exchange's own stream, JSON: what one round of its work changed, not yet conflated.

    `offset_us` is the market clock minus the real one. A `keyframe` has every listed instrument and comes first; an
    update without windows says only that the exchange is alive.
    """

    epoch: int
    trade_date: str
    phase: SessionPhase
    offset_us: int
    keyframe: bool
    windows: tuple[Window, ...]
    trades: tuple[StreamTrade, ...] = ()
    """Of these windows, one by one."""


_update_encoder = msgspec.json.Encoder()
_update_decoder: msgspec.json.Decoder[Update] = msgspec.json.Decoder(Update)


def encode_update(update: Update) -> bytes:
    """The update as a line."""
    return _update_encoder.encode(update) + b"\n"


def decode_update(line: bytes) -> Update:
    """Inverse of `encode_update`. Raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    return _update_decoder.decode(line)
