"""Candles as clients read them: minutes of history and of the running hours, joined and rolled up day by day.

A trade date is read whole, because an interval is counted from its session's open and needs all its minutes. History is
asked for a month at a time, and the process serves others between the days.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from shared.contracts.candles import MINUTES, MOST_DAYS, CandlesQuery, Interval, clamped, write_candles
from shared.domain.errors import InvalidRequestError, NotFoundError, UnavailableError
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.market_data.adjustments import AdjustmentFactor, adjusted, factor_on
from shared.domain.market_data.candles import (
    MINUTE_US,
    Bar,
    Candle,
    Session,
    day_bar,
    fill_gaps,
    hour_of,
    newest,
    roll_up,
)
from shared.domain.sessions import INDIA, SegmentTime
from shared.domain.times import microseconds, wire_time
from shared.ports.candles import CandleHistory, CandleHour, LiveCandles, RecentCandles
from shared.ports.market import Market

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_MONTH: Final = timedelta(days=31)
_MINUTES_A_DAY: Final = 1_440
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).astimezone(INDIA)


class _Range(NamedTuple):
    """Instants in microseconds; `end` is excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call: what, and the market's time."""

    query: CandlesQuery
    range: _Range
    market: SegmentTime
    now: int


class Candles:
    """The use case."""

    def __init__(
        self,
        live: LiveCandles,
        history: CandleHistory | None,
        instruments: InstrumentMaster,
        market: Market,
        factors: Mapping[str, Sequence[AdjustmentFactor]],
    ) -> None:
        self._live = live
        self._history = history
        self._instruments = instruments
        self._market = market
        self._factors = factors

    async def get(self, instrument_id: str, query: CandlesQuery) -> bytes:
        """A `CandlesView`.

        Raises NotFoundError for an unknown instrument, InvalidRequestError for a range that is empty or too long,
        UnavailableError without history or without the market's clock.
        """
        if instrument_id not in self._instruments.ids:
            raise NotFoundError("There is no market data of this instrument: see GET /api/instruments")
        market = (await self._market.time()).of(self._instruments.segment_of(instrument_id))
        now = market.now(datetime.now(UTC))
        asked = _Asked(query, _range(query, now), market, microseconds(now))
        recent, stale = await self._recent(instrument_id)
        bars: list[Bar] = []
        auctions: list[tuple[Session, Bar]] = []
        length, gap = MINUTES.get(query.interval, _MINUTES_A_DAY) * MINUTE_US, recent.incomplete_from
        async for day, candles in self._days(instrument_id, asked, recent):
            factor = factor_on(day, self._factors.get(instrument_id, ()) if query.adjusted else ())
            bars += [adjusted(_doubted(bar, length, gap), factor) for bar in _bars(day, candles, asked)]
            auctions += [
                (session, adjusted(_doubted(bar, MINUTE_US, gap), factor)) for session, bar in _auctions(candles, asked)
            ]
        return write_candles(query, instrument_id, bars, auctions, stale=stale)

    async def _recent(self, instrument_id: str) -> tuple[RecentCandles, bool]:
        try:
            return await self._live.recent(instrument_id), False
        except UnavailableError:
            return RecentCandles(), True

    async def _days(
        self, instrument_id: str, asked: _Asked, recent: RecentCandles
    ) -> AsyncIterator[tuple[date, list[Candle]]]:
        """Every trade date of the range that has candles, with all of them, in order of time."""
        first, last = _india_date(asked.range.start), _india_date(asked.range.end - 1)
        while first <= last:
            end = min(first + _MONTH, last + _DAY)
            hours = await self._stored(instrument_id, _midnight(first), _midnight(end))
            for number in range((end - first).days):
                day = first + number * _DAY
                candles = newest(_of_day_in_india(day, hours, recent))
                if candles:
                    yield day, candles
                    # Hundreds of days are one call: others are served between them.
                    await asyncio.sleep(0)
            first = end

    async def _stored(self, instrument_id: str, start: int, end: int) -> Sequence[CandleHour]:
        if self._history is None:
            return ()
        return await self._history.hours(instrument_id, hour_of(start), hour_of(end - 1))


def _of_day_in_india(day: date, hours: Sequence[CandleHour], recent: RecentCandles) -> Iterator[Candle]:
    """The day's candles of both sources. `hours` are in order of time, and India's days begin within an hour of UTC."""
    start, end = _midnight(day), _midnight(day + _DAY)
    first = bisect_left(hours, hour_of(start), key=lambda each: each.hour)
    for hour in islice(hours, first, None):
        if hour.hour >= end:
            break
        yield from (each for each in hour.candles if start <= each.start < end)
    yield from (each for each in recent.candles if start <= each.start < end)


def _bars(day: date, candles: Sequence[Candle], asked: _Asked) -> Iterator[Bar]:
    """The bars of one trade date whose start lies in the range."""
    query, range_ = asked.query, asked.range
    session = asked.market.calendar.session(day)
    opens = _midnight(day) if session is None else microseconds(session[0])
    if query.interval is Interval.D1:
        whole = day_bar(candles, opens)
        bars: Iterator[Bar] = iter(() if whole is None else (whole,))
    else:
        minutes = MINUTES[query.interval]
        bars = iter(roll_up(candles, minutes, opens))
        if query.fill == "previous":
            closes = opens if session is None else microseconds(session[1])
            bars = _to_the_end(fill_gaps(bars, minutes), minutes, min(closes, asked.now))
    return (bar for bar in bars if range_.start <= bar.start < range_.end)


def _to_the_end(bars: Iterator[Bar], minutes: int, end: int) -> Iterator[Bar]:
    """The bars, and those without a trade from the last one to the end of the session, or to now."""
    last: Bar | None = None
    for bar in bars:
        yield bar
        last = bar
    if last is not None:
        flat = last.close
        for start in range(last.start + minutes * MINUTE_US, end, minutes * MINUTE_US):
            yield Bar(start, flat, flat, flat, flat, 0, 0, 0, is_complete=last.is_complete)


def _auctions(candles: Sequence[Candle], asked: _Asked) -> Iterator[tuple[Session, Bar]]:
    if asked.query.interval is Interval.D1:
        return
    for each in candles:
        if each.session != Session.CONTINUOUS and asked.range.start <= each.start < asked.range.end:
            (bar,) = roll_up([msgspec.structs.replace(each, session=Session.CONTINUOUS)], 1, each.start)
            yield each.session, bar


def _doubted(bar: Bar, length: int, incomplete_from: int | None) -> Bar:
    """The bar; one in which trades may be missing says so."""
    if incomplete_from is None or bar.start + length <= incomplete_from:
        return bar
    return msgspec.structs.replace(bar, is_complete=False)


def _range(query: CandlesQuery, now: datetime) -> _Range:
    """What is asked for. Raises InvalidRequestError."""
    end = clamped(query.to or now)
    start = clamped(query.from_) if query.from_ else _of_day(end)
    if start >= end:
        raise InvalidRequestError(f"from must be before to: from={wire_time(start)}, to={wire_time(end)}", field="from")
    most = MOST_DAYS[query.interval]
    if end - start > timedelta(days=most):
        earliest = wire_time(end - timedelta(days=most))
        raise InvalidRequestError(
            f"One call answers at most {most} days of {query.interval} candles: send from={earliest} or later",
            field="from",
        )
    return _Range(microseconds(start), microseconds(end))


def _of_day(end: datetime) -> datetime:
    """The beginning of the day in India that the instant before `end` lies in."""
    return (end - _MICROSECOND).astimezone(INDIA).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _midnight(day: date) -> int:
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=INDIA))


def _india_date(time: int) -> date:
    return (_EPOCH + timedelta(microseconds=time)).date()
