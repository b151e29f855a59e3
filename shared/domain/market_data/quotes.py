"""What is known of an instrument's market as of one sequence of the feed.

Prices are integer paise, turnover is paise x units, times are exchange time in microseconds since 1970 UTC. Quotes are
msgspec structs because every process packs and unpacks tens of thousands of them a second. Structs that can be part of
no cycle are left out of garbage collection (`gc=False`), whose passes would cost more than the work.
"""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

import msgspec


class SessionPhase(StrEnum):
    """What the venue does with orders in an instrument."""

    PRE_OPEN = "PRE_OPEN"
    CONTINUOUS = "CONTINUOUS"
    CLOSING_AUCTION = "CLOSING_AUCTION"
    HALTED = "HALTED"
    CLOSED = "CLOSED"


class Mark(NamedTuple):
    """A place in an instrument's stream of events. Newer means greater; times never decide."""

    epoch: int
    """Grows with each restart of the feed."""
    sequence: int
    """1, 2, 3... without a gap within an epoch; 0: before the first event."""


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One price level of a book."""

    price: int
    quantity: int
    orders: int


class Quote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest state of one instrument. Day figures are those of `trade_date`.

    Packed as a MessagePack array in the order of the fields: one is only ever added at the end, with a default.
    """

    instrument_id: str
    epoch: int
    sequence: int
    trade_date: date
    exchange_time: int
    """When the event with this sequence happened."""
    phase: SessionPhase
    last_price: int | None
    """None, as the next two: no trade is known."""
    last_quantity: int | None
    last_trade_at: int | None
    volume: int
    """Units traded on the trade date, auctions included."""
    turnover: int
    """Paise x units of the same trades: turnover / volume is the average price."""
    day_open: int | None
    """The pre-open match where there was one; None, as the next two, before the day's first trade."""
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

    @property
    def mark(self) -> Mark:
        """How new the quote is."""
        return Mark(self.epoch, self.sequence)
