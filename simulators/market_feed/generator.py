"""A made-up trading day: each instrument's price walks at random, reproducible by seed.

It is as complete as what the exchange streams: phases with the match of a pre-open, books of five levels, figures of
the day that follow from the trades, and now and then a trade that is reported minutes late. Nothing is matched here.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

from simulators.exchange.instruments import Instrument
from simulators.exchange.sessions import INDIA
from simulators.market_feed.frames import (
    MINUTE_US,
    Level,
    SessionPhase,
    State,
    StreamTrade,
    Traded,
    Update,
    Window,
    keyframe_window,
    minute_of,
)

_SECOND_US = 1_000_000
_LEVELS = 5
_LATE_SHARE = 1 / 2_000
_MOST_MINUTES_LATE = 3
_LOTS = (1, 1, 2, 5, 10, 25, 100)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make up: phases by their start, in microseconds of exchange time, and the match of a pre-open."""

    day: date
    phases: Sequence[tuple[int, SessionPhase]]
    ends_at: int
    ticks_per_s: float
    seed: int
    match_at: int | None = None


def trading_day(day: date, ticks_per_s: float, seed: int) -> Plan:
    """NSE's hours: pre-open from 09:00, its match at 09:08, continuous from 09:15 to 15:30."""
    phases = [(_at(day, 9, 0), SessionPhase.PRE_OPEN), (_at(day, 9, 15), SessionPhase.CONTINUOUS)]
    return Plan(
        day, [*phases, (_at(day, 15, 30), SessionPhase.CLOSED)], _at(day, 15, 31), ticks_per_s, seed, _at(day, 9, 8)
    )


def burst(now_us: int, seconds: float, ticks_per_s: float, seed: int) -> Plan:
    """Continuous trading from now on."""
    day = datetime.fromtimestamp(now_us / _SECOND_US, INDIA).date()
    return Plan(day, [(now_us, SessionPhase.CONTINUOUS)], now_us + int(seconds * _SECOND_US), ticks_per_s, seed)


def _at(day: date, hour: int, minute: int) -> int:
    return int(datetime.combine(day, time(hour, minute), INDIA).timestamp()) * _SECOND_US


@dataclass(slots=True)
class _Stock:
    """One instrument as the walk has left it."""

    instrument: Instrument
    price: int
    band: tuple[int, int]
    sequence: int = 0
    last: tuple[int, int, int] | None = None
    volume: int = 0
    turnover: int = 0
    day_open: int | None = None
    high: int = 0
    low: int = 1 << 62
    books: tuple[tuple[Level, ...], tuple[Level, ...]] = field(default=((), ()))

    def trade(self, at: int, price: int, quantity: int, *, late: bool) -> None:
        self.volume += quantity
        self.turnover += price * quantity
        self.high, self.low = max(self.high, price), min(self.low, price)
        if not late:
            self.last = price, quantity, at
            self.day_open = self.day_open or price

    def state(self, phase: SessionPhase) -> State:
        price, quantity, at = self.last or (None, None, None)
        traded, (bids, asks) = self.volume > 0, self.books
        return State(
            phase,
            price,
            quantity,
            at,
            self.volume,
            self.turnover,
            self.day_open,
            self.high if traded else None,
            self.low if traded else None,
            self.instrument.reference,
            *self.band,
            bids,
            asks,
            sum(level.quantity for level in bids),
            sum(level.quantity for level in asks),
        )


class Generator:
    """Makes the updates of a plan, in the order of time."""

    def __init__(self, instruments: Sequence[Instrument], plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - simulation, no secret
        self._stocks = [_Stock(each, each.reference, each.band) for each in instruments]
        self._phase = plan.phases[0][1]
        self._now = self._began_at = plan.phases[0][0]
        self._trades = True

    def updates(self) -> Iterator[Update]:
        """The keyframe, then a window for each tick, and one of each instrument where the phase changes."""
        chance, plan = self._random, self._plan
        events: list[tuple[int, SessionPhase | None]] = [*plan.phases[1:]]
        if plan.match_at is not None:
            events.insert(0, (plan.match_at, None))
        yield self._keyframe()
        while True:
            at = self._now + max(1, int(chance.expovariate(plan.ticks_per_s) * _SECOND_US))
            while events and at >= events[0][0]:
                self._now, phase = events.pop(0)
                yield from self._match() if phase is None else self._begin(phase)
            if at >= plan.ends_at:
                return
            self._now = at
            if self._trades:
                yield self._tick(chance.choice(self._stocks))

    def _keyframe(self) -> Update:
        for stock in self._stocks:
            self._quote(stock)
        windows = (
            keyframe_window(stock.instrument.instrument_id, 0, self._now, stock.state(self._phase))
            for stock in self._stocks
        )
        return self._update(tuple(windows), keyframe=True)

    def _match(self) -> Iterator[Update]:
        """The match of the pre-open; until trading begins nothing happens after it."""
        self._trades = False
        yield from [self._trade(stock, stock.price, late_us=0) for stock in self._stocks]

    def _begin(self, phase: SessionPhase) -> Iterator[Update]:
        self._phase, self._trades, self._began_at = phase, phase is not SessionPhase.CLOSED, self._now
        windows = []
        for stock in self._stocks:
            stock.sequence += 1
            windows.append(self._window(stock, stock.sequence, None))
        yield self._update(tuple(windows), keyframe=False)

    def _tick(self, stock: _Stock) -> Update:
        chance, tick = self._random, stock.instrument.tick
        late_us = chance.randint(1, _MOST_MINUTES_LATE) * MINUTE_US if chance.random() < _LATE_SHARE else 0
        if late_us and self._phase is SessionPhase.CONTINUOUS and self._now - late_us >= self._began_at:
            return self._trade(stock, stock.price, late_us=late_us)
        moved = stock.price + chance.choice((-1, 0, 0, 1)) * tick
        low, high = stock.band
        stock.price = min(max(moved, low + _LEVELS * tick), high - _LEVELS * tick)
        self._quote(stock)
        if self._phase is SessionPhase.CONTINUOUS and chance.random() < 0.7:
            return self._trade(stock, stock.price + chance.choice((-tick, tick)), late_us=0)
        stock.sequence += 1
        return self._update((self._window(stock, stock.sequence, None),), keyframe=False)

    def _trade(self, stock: _Stock, price: int, *, late_us: int) -> Update:
        quantity = self._random.choice(_LOTS) * stock.instrument.lot
        at = self._now - late_us
        stock.sequence += 1
        stock.trade(at, price, quantity, late=late_us > 0)
        traded = Traded(minute_of(at), 1, price, price, price, price, quantity, price * quantity)
        trade = StreamTrade(stock.instrument.instrument_id, stock.sequence, at, price, quantity)
        return self._update((self._window(stock, stock.sequence, traded),), keyframe=False, trades=(trade,))

    def _quote(self, stock: _Stock) -> None:
        tick, lot, size = stock.instrument.tick, stock.instrument.lot, self._random.randint(1, 40)
        bids = tuple(Level(stock.price - n * tick, (size + 7 * n) * lot, 1 + n) for n in range(1, _LEVELS + 1))
        asks = tuple(Level(stock.price + n * tick, (size + 5 * n) * lot, 1 + n) for n in range(1, _LEVELS + 1))
        stock.books = bids, asks

    def _window(self, stock: _Stock, first: int, traded: Traded | None) -> Window:
        name, state = stock.instrument.instrument_id, stock.state(self._phase)
        return Window(name, first, stock.sequence, self._now, state, traded)

    def _update(self, windows: tuple[Window, ...], *, keyframe: bool, trades: tuple[StreamTrade, ...] = ()) -> Update:
        return Update(1, self._plan.day.isoformat(), self._phase, 0, keyframe, windows, trades)
