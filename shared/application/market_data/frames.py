"""Frames of the feed: what is wrong with one, and what one does to the shard's book."""

from collections.abc import Set
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from shared.contracts.market_feed import Frame, Heartbeat, Keyframe, Window
from shared.domain.market_data.book import ShardBook
from shared.domain.market_data.candles import MINUTE_US, Traded
from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardState
from shared.domain.sessions import CALENDAR_YEARS, INDIA

_MOST: Final = 2**62
_MOST_TURNOVER: Final = 2**54
"""Of one window: what a minute adds up stays within the 63 bits that are kept."""


class Day(NamedTuple):
    """A trade date, and its first instant in microseconds."""

    trade_date: date
    start: int


@lru_cache(maxsize=16)
def day_of(trade_date: str) -> Day:
    """Raises ValueError."""
    day = date.fromisoformat(trade_date)
    if day.year not in CALENDAR_YEARS:
        raise ValueError(f"{trade_date} is in no calendar")
    midnight = datetime(day.year, day.month, day.day, tzinfo=INDIA).astimezone(UTC)
    return Day(day, int(midnight.timestamp()) * 1_000_000)


def check(frame: Frame) -> None:
    """Raises ValueError for a frame that would spoil the book; then nothing of it counts."""
    day_of(frame.trade_date)
    if not 0 < frame.epoch <= _MOST or not 0 < frame.sent_at <= _MOST:
        raise ValueError(f"epoch {frame.epoch}, sent at {frame.sent_at}")
    if not isinstance(frame, Heartbeat):
        for window in frame.windows:
            _check_window(window)
    elif not all(0 <= each <= _MOST for each in frame.sequences.values()):
        raise ValueError("a sequence out of range")


def _check_window(window: Window) -> None:
    if not 0 < window.first_sequence <= window.last_sequence + 1 <= _MOST:
        raise ValueError(f"sequences {window.first_sequence} to {window.last_sequence}")
    if not 0 < window.exchange_time <= _MOST:
        raise ValueError(f"a window at {window.exchange_time}")
    if window.traded is not None:
        _check_traded(window.traded, window.exchange_time)


def _check_traded(traded: Traded, exchange_time: int) -> None:
    if traded.minute % MINUTE_US or not 0 <= traded.minute <= exchange_time:
        raise ValueError(f"minute {traded.minute} of a window at {exchange_time}")
    if not 0 < traded.low <= min(traded.open, traded.close) <= max(traded.open, traded.close) <= traded.high:
        raise ValueError("open, high, low and close contradict each other")
    if not 0 < traded.count <= traded.volume <= traded.turnover <= _MOST_TURNOVER:
        raise ValueError("count, volume or turnover out of range")
    if not traded.low * traded.volume <= traded.turnover <= traded.high * traded.volume:
        raise ValueError("prices, volume and turnover contradict each other")


def apply(book: ShardBook, frame: Frame, members: Set[str], received_at: int) -> None:
    """Change the book by a frame that was checked. Instruments that are not `members` of the shard are left out.

    `received_at` is when the hub took the frame, by our clock, in microseconds.
    """
    day = day_of(frame.trade_date)
    if isinstance(frame, Heartbeat):
        state = ShardState(frame.shard, frame.epoch, frame.trade_date, frame.phase, frame.sent_at, received_at)
        book.beat(state, {each: sequence for each, sequence in frame.sequences.items() if each in members}, day.start)
        return
    is_keyframe = isinstance(frame, Keyframe)
    for window in frame.windows:
        if window.instrument_id not in members:
            continue
        quote = _quote(window, frame.epoch, day.trade_date)
        first = window.last_sequence + 1 if is_keyframe else window.first_sequence
        book.take(quote, first, None if is_keyframe else window.traded, day.start)


def _quote(window: Window, epoch: int, trade_date: date) -> Quote:
    state = window.state
    return Quote(
        window.instrument_id,
        epoch,
        window.last_sequence,
        trade_date,
        window.exchange_time,
        state.phase,
        state.last_price,
        state.last_quantity,
        state.last_trade_at,
        state.cumulative_volume,
        state.cumulative_turnover,
        state.day_open,
        state.day_high,
        state.day_low,
        state.previous_close,
        state.lower_circuit,
        state.upper_circuit,
        state.bids,
        state.asks,
        state.total_bid_quantity,
        state.total_ask_quantity,
        state.open_interest,
    )
