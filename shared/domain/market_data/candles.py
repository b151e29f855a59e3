"""Candles: one minute as the venue's trades made it, and longer intervals made of minutes.

A candle covers [start, start + interval) of exchange time and is labelled by its start, in microseconds since 1970 UTC.
A minute without a trade has no candle. Trades of the two auctions are kept apart from continuous trading, so the
volumes of a day's candles, auctions included, add up to the day's volume; the pre-open match sets the day's open and
not the open of the first minute.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum, StrEnum
from itertools import groupby
from typing import Final, NamedTuple, Self

import msgspec

from shared.domain.market_data.quotes import Mark, SessionPhase
from shared.domain.market_data.tape import Trade

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US


class Session(StrEnum):
    """The part of the day that a candle's trades belong to."""

    PRE_OPEN = "PRE_OPEN"
    CONTINUOUS = "CONTINUOUS"
    CLOSING_AUCTION = "CLOSING_AUCTION"

    @classmethod
    def of(cls, phase: SessionPhase) -> Self:
        """Trades reported during a halt or after the close belong to continuous trading."""
        return cls(phase.value) if phase.value in cls else cls("CONTINUOUS")


class Basis(IntEnum):
    """What a candle was made of; among candles with the same mark the greater one is better."""

    INCOMPLETE = 0
    """Trades may be missing, until the venue has resent the minute."""
    WINDOWS = 1
    """Every window of the feed. Where in the minute a late trade lies is not known: it does not move open and close."""
    RESEND = 2
    """The venue's own list of the minute's trades."""


class Revision(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """Orders two versions of a candle: the greater one replaces the other, and nothing is ever added to it."""

    epoch: int
    sequence: int
    """Every trade of the minute up to this event of the instrument is in the candle."""
    basis: Basis


class Traded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The trades of one window of the feed, all of one exchange minute and phase; travels in the feed."""

    minute: int
    """Start of the minute in which these trades happened, in microseconds; a late window's lies in the past."""
    count: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int


class Candle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The trades of one instrument in one minute and session, packed as `Quote` is."""

    start: int
    session: Session
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    epoch: int
    """With `sequence`: the last event that changed this candle."""
    sequence: int
    basis: Basis

    @property
    def revision(self) -> Revision:
        """What decides between two versions of this candle."""
        return Revision(self.epoch, self.sequence, self.basis)

    @property
    def mark(self) -> Mark:
        """The last event that changed this candle."""
        return Mark(self.epoch, self.sequence)

    @property
    def is_complete(self) -> bool:
        """Whether no trade is known to be missing."""
        return self.basis != Basis.INCOMPLETE

    @property
    def key(self) -> "CandleKey":
        """What there is one candle for, within an instrument."""
        return CandleKey(self.start, self.session)


class CandleKey(NamedTuple):
    """A minute and session."""

    start: int
    session: Session


class Bar(msgspec.Struct, frozen=True):
    """Candles of one interval joined: what clients read."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    is_complete: bool
    """Whether every minute in it is."""


def minute_of(time: int) -> int:
    """Start of the minute that an instant lies in; an instant on the boundary opens the new minute."""
    return time - time % MINUTE_US


def hour_of(time: int) -> int:
    """Start of the hour (UTC) whose document a candle is kept in."""
    return time - time % HOUR_US


def begun(traded: Traded, session: Session, mark: Mark, basis: Basis) -> Candle:
    """The candle of a minute's first window."""
    return Candle(
        traded.minute,
        session,
        traded.open,
        traded.high,
        traded.low,
        traded.close,
        traded.volume,
        traded.turnover,
        traded.count,
        *mark,
        basis,
    )


def continued(candle: Candle, traded: Traded, mark: Mark, basis: Basis, *, is_late: bool) -> Candle:
    """The candle with one more window. Late trades lie somewhere within the minute: the close stays."""
    return Candle(
        candle.start,
        candle.session,
        candle.open,
        max(candle.high, traded.high),
        min(candle.low, traded.low),
        candle.close if is_late else traded.close,
        candle.volume + traded.volume,
        candle.turnover + traded.turnover,
        candle.trades + traded.count,
        *mark,
        basis if candle.is_complete else Basis.INCOMPLETE,
    )


def of_trades(minute: int, trades: Iterable[Trade], mark: Mark) -> list[Candle]:
    """The candles of one minute from all its trades up to the mark, one a session, open and close by exchange time."""
    by_session: dict[Session, list[Trade]] = {}
    for trade in sorted(trades, key=lambda each: (each.exchange_time, each.epoch, each.sequence)):
        by_session.setdefault(Session.of(trade.phase), []).append(trade)
    return [_of_session(minute, session, members, mark) for session, members in by_session.items()]


def _of_session(minute: int, session: Session, trades: list[Trade], mark: Mark) -> Candle:
    prices = [each.price for each in trades]
    return Candle(
        minute,
        session,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(each.quantity for each in trades),
        sum(each.price * each.quantity for each in trades),
        len(trades),
        *mark,
        Basis.RESEND,
    )


def newest(candles: Iterable[Candle]) -> list[Candle]:
    """One candle a minute and session, the one with the greatest revision, in order of time."""
    found: dict[CandleKey, Candle] = {}
    for candle in candles:
        known = found.get(candle.key)
        if known is None or known.revision < candle.revision:
            found[candle.key] = candle
    order = list(Session)
    return sorted(found.values(), key=lambda each: (each.start, order.index(each.session)))


def roll_up(candles: Iterable[Candle], minutes: int, session_open: int) -> list[Bar]:
    """Bars of `minutes` each, counted from the session's open (09:15, 09:30... for 15), of one trade date's candles.

    `candles` has one candle a minute and session (see `newest`), in any order. Auction candles belong to no bar of less
    than a day: use `day_bar` for the whole day. A bar without a trade is left out. `session_open` is an instant in
    microseconds; candles before it are aligned backwards from it.
    """
    if minutes < 1:
        raise ValueError(f"an interval has at least one minute, not {minutes}")
    length = minutes * MINUTE_US

    def start(candle: Candle) -> int:
        return candle.start - (candle.start - session_open) % length

    continuous = sorted((each for each in candles if each.session == Session.CONTINUOUS), key=lambda each: each.start)
    return [_join(bar_start, list(members)) for bar_start, members in groupby(continuous, start)]


def day_bar(candles: Iterable[Candle], session_open: int) -> Bar | None:
    """One trade date's candles, auctions included, as one bar that starts at the session's open; None without a trade.

    The open is the pre-open match where there was one, the close the closing auction's.
    """
    order = list(Session)
    members = sorted(candles, key=lambda each: (order.index(each.session), each.start))
    return _join(session_open, members) if members else None


def _join(start: int, members: list[Candle]) -> Bar:
    return Bar(
        start=start,
        open=members[0].open,
        high=max(each.high for each in members),
        low=min(each.low for each in members),
        close=members[-1].close,
        volume=sum(each.volume for each in members),
        turnover=sum(each.turnover for each in members),
        trades=sum(each.trades for each in members),
        is_complete=all(each.is_complete for each in members),
    )


def fill_gaps(bars: Iterable[Bar], minutes: int) -> Iterator[Bar]:
    """The bars of one session, with one for every interval between them that had no trade, at the close before it."""
    length = minutes * MINUTE_US
    before: Bar | None = None
    for bar in bars:
        if before is not None:
            for start in range(before.start + length, bar.start, length):
                flat = before.close
                yield Bar(start, flat, flat, flat, flat, 0, 0, 0, is_complete=before.is_complete and bar.is_complete)
        yield bar
        before = bar
