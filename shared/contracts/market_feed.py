"""Frames of the market feed as they travel through Event Hubs: docs/reference/market-feed.md.

One event is one frame of one shard, MessagePack, its partition key the shard. Structs travel as arrays, so a field is
only ever added at the end, with a default; a reader ignores what it does not know. Prices are integer paise,
turnover is paise times units, times are exchange time in microseconds since 1970 UTC.
"""

from typing import Final

import msgspec

from shared.domain.market_data.candles import Traded
from shared.domain.market_data.quotes import Level, SessionPhase

VERSION: Final = 1


class State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An instrument as of one sequence: what a quote shows. Day figures are those of `trade_date`."""

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
    """Best first, at most five, as `asks`."""
    asks: tuple[Level, ...]
    total_bid_quantity: int
    total_ask_quantity: int
    open_interest: int | None = None


class Window(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything that happened to one instrument between two sequences, both included, without loss.

    `last_sequence` of a window + 1 = `first_sequence` of the next one in the epoch: a hole is a loss.
    """

    instrument_id: str
    first_sequence: int
    last_sequence: int
    exchange_time: int
    """When `last_sequence` happened."""
    state: State
    traded: Traded | None
    """None: only the book changed."""


class Windows(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="windows"):
    """Changes of a shard, in the order of the venue."""

    shard: str
    epoch: int
    trade_date: str
    sent_at: int
    windows: tuple[Window, ...]
    version: int = VERSION


class Keyframe(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="keyframe"):
    """The whole shard, every 30 s and first in an epoch: `first_sequence` is `last_sequence` + 1, `traded` is None."""

    shard: str
    epoch: int
    trade_date: str
    sent_at: int
    windows: tuple[Window, ...]
    version: int = VERSION


class Heartbeat(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="heartbeat"):
    """Sent every second: the shard lives. `sequences` has the newest sequence of each instrument."""

    shard: str
    epoch: int
    trade_date: str
    sent_at: int
    phase: SessionPhase
    sequences: dict[str, int]
    version: int = VERSION


type Frame = Windows | Keyframe | Heartbeat

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Windows | Keyframe | Heartbeat] = msgspec.msgpack.Decoder(
    Windows | Keyframe | Heartbeat
)


def encode(frame: Frame) -> bytes:
    """Body of the event."""
    return _encoder.encode(frame)


def decode(body: bytes) -> Frame:
    """Inverse of `encode`. Raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    return _decoder.decode(body)
