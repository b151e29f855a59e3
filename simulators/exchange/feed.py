"""The exchange's own stream of market data, which simulators/market_feed turns into the market feed.

It has one reader. A new one ends the stream of the one before it and begins the next epoch, whose first update shows
every instrument. An update leaves once its trades are in the archive, so that whoever has seen one can have it resent.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import date

from simulators.exchange.commands import Command, LateTrade, MarketState
from simulators.exchange.instruments import Instrument, InstrumentMaster
from simulators.exchange.tape import FIRST_EPOCH, Print, Tape, Tapes
from simulators.exchange.venue import Venue
from simulators.market_feed.frames import (
    SessionPhase,
    State,
    StreamTrade,
    Traded,
    Update,
    Window,
    encode_update,
    keyframe_window,
    minute_of,
)

SLICES_PER_S = 4
_LARGEST_SLICE = 50
_LONGEST_QUEUE = 5_000
_ALIVE_EVERY_S = 1.0


class Subscription:
    """The lines for one reader, at most `_LONGEST_QUEUE` of them; one that is slower is cut off."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self.closed = False

    def put(self, line: bytes) -> None:
        """Add a line, or close."""
        self.closed = self.closed or len(self._lines) >= _LONGEST_QUEUE
        if not self.closed:
            self._lines.append(line)
        self._changed.set()

    def close(self) -> None:
        """End it."""
        self.closed = True
        self._changed.set()

    async def lines(self, alive: Callable[[], bytes]) -> AsyncGenerator[bytes]:
        """All lines until it is closed; `alive` makes one for each second in which there was none."""
        while not self.closed:
            try:
                async with asyncio.timeout(_ALIVE_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                yield alive()
            self._changed.clear()
            while self._lines and not self.closed:
                yield self._lines.popleft()


class Feed:
    """Turns what the venue's tapes say into updates; `gateway` calls it, in the order of its methods.

    `starting` while a reader waits for its epoch; `sequences` are those whose trades are archived, of `epoch`.
    """

    def __init__(self, master: InstrumentMaster) -> None:
        self.starting = False
        self.epoch = FIRST_EPOCH
        self.sequences: dict[str, int] = {}
        self.late_trades: list[LateTrade] = []
        self._master = master
        self._listed_on: date | None = None
        self._listing: dict[str, Instrument] = {}
        self._names: tuple[str, ...] = ()
        self._subscription: Subscription | None = None
        self._prints: list[Print] = []
        self._updates: list[Update] = []
        self._epoch = FIRST_EPOCH
        self._advanced: dict[str, int] = {}
        self._next_slice_s = 0.0
        self._slice_start = 0

    @property
    def watched(self) -> bool:
        """Whether there is a reader."""
        return self._subscription is not None and not self._subscription.closed

    def subscribe(self) -> Subscription:
        """Begin the next epoch, with the next round, for a new reader."""
        self.close()
        self.starting = True
        self._subscription = Subscription()
        return self._subscription

    def close(self) -> None:
        """End the reader's stream, and begin no epoch for it."""
        self.starting = False
        if self._subscription is not None:
            self._subscription.close()

    def resume(self, tapes: Tapes) -> None:
        """Take over a rebuilt venue. `close` was called before: a reader may have missed something."""
        self._updates.clear()
        self._prints.clear()
        tapes.cut()
        self._epoch, self._advanced = tapes.epoch, tapes.sequences()
        self.archived()

    # --- before the journal ---------------------------------------------------------------------------

    def listed(self, day: date) -> dict[str, Instrument]:
        """The instruments of the trade date."""
        if day != self._listed_on:
            self._listed_on = day
            self._listing = {instrument.instrument_id: instrument for instrument in self._master.listed(day)}
            self._names = tuple(self._listing)
        return self._listing

    def market_state(self, tapes: Tapes, day: date, phase: SessionPhase, offset_us: int) -> list[MarketState]:
        """What must be journaled of the whole market: before there was a first reader, only that the clock was set."""
        if not self.starting and tapes.epoch == FIRST_EPOCH and offset_us == tapes.offset_us:
            return []
        self.listed(day)
        wanted = MarketState(tapes.epoch + self.starting, phase.value, offset_us, self._names)
        known = MarketState(tapes.epoch, tapes.phase.value, tapes.offset_us, tapes.listed)
        return [wanted] if wanted != known or day != tapes.trade_date else []

    def journaled(self, commands: Sequence[Command]) -> None:
        """Take the late trades that are journaled off the list of those that wait."""
        del self.late_trades[: sum(isinstance(command, LateTrade) for command in commands)]

    def due_s(self, now_s: float) -> float:
        """Seconds until `next_slice` gives instruments; only with a reader."""
        return max(0.0, self._next_slice_s - now_s)

    def next_slice(self, now_s: float, day: date) -> Sequence[Instrument]:
        """The instruments whose quotes are to be shown now: all in turn, a part of them four times a second."""
        if not self.watched or now_s < self._next_slice_s:
            return ()
        self._next_slice_s = now_s + 1 / SLICES_PER_S
        listed = list(self.listed(day).values())
        size = min(-(-len(listed) // SLICES_PER_S), _LARGEST_SLICE)
        start = self._slice_start if self._slice_start < len(listed) else 0
        self._slice_start = start + size
        return listed[start : start + size]

    # --- after it -------------------------------------------------------------------------------------

    def cut(self, venue: Venue) -> None:
        """Take what has changed since the last cut; between two cuts there is one phase, epoch and trade date."""
        tapes = venue.tapes
        changed, prints = tapes.cut()
        self._prints += prints
        self._advanced.update((name, tapes.of(name).sequence) for name in changed)
        if tapes.epoch != self._epoch:
            self._epoch, self._advanced = tapes.epoch, tapes.sequences()
            if self.starting:
                self._updates = [self._update(tapes, self._keyframe(venue), keyframe=True)]
            self.starting = False
        elif changed and self.watched and not self.starting:
            self._updates.append(self._update(tapes, self._windows(venue, changed, prints), prints))

    def trades_behind(self, position: int) -> list[Print]:
        """The trades of entries behind a journal position that are not in the archive yet."""
        taken, self._prints = self._prints, []
        return [made for made in taken if made.position > position]

    def archived(self) -> None:
        """Give out the updates: their trades are in the archive."""
        if self._epoch != self.epoch:
            self.epoch, self.sequences = self._epoch, {}
        self.sequences.update(self._advanced)
        self._advanced.clear()
        updates, self._updates = self._updates, []
        if self._subscription is not None:
            for update in updates:
                self._subscription.put(encode_update(update))

    def alive(self, tapes: Tapes) -> bytes:
        """A line that says no more than that."""
        return encode_update(self._update(tapes, ()))

    # --- windows --------------------------------------------------------------------------------------

    def _update(
        self, tapes: Tapes, windows: tuple[Window, ...], prints: Sequence[Print] = (), *, keyframe: bool = False
    ) -> Update:
        day = tapes.trade_date.isoformat() if tapes.trade_date else ""
        trades = tuple(
            StreamTrade(made.instrument_id, made.sequence, made.exchange_time, made.price, made.quantity)
            for made in prints
        )
        return Update(tapes.epoch, day, tapes.phase, tapes.offset_us, keyframe, windows, trades)

    def _keyframe(self, venue: Venue) -> tuple[Window, ...]:
        tapes = venue.tapes
        named = ((name, tapes.of(name)) for name in tapes.listed)
        return tuple(
            keyframe_window(name, tape.sequence, tape.changed_at, self._state(venue, name, tape))
            for name, tape in named
        )

    def _windows(self, venue: Venue, changed: dict[str, int], prints: list[Print]) -> tuple[Window, ...]:
        traded: dict[str, list[Print]] = {}
        for made in prints:
            traded.setdefault(made.instrument_id, []).append(made)
        windows = []
        for name, first in changed.items():
            tape = venue.tapes.of(name)
            if name in self._listing:
                state, trades = self._state(venue, name, tape), traded.get(name)
                summary = _summary(trades) if trades else None
                windows.append(Window(name, first, tape.sequence, tape.changed_at, state, summary))
        return tuple(windows)

    def _state(self, venue: Venue, name: str, tape: Tape) -> State:
        book, instrument = venue.book(name), self._listing[name]
        low, high = instrument.band
        return State(
            phase=venue.tapes.phase,
            last_price=tape.last_price,
            last_quantity=tape.last_quantity,
            last_trade_at=tape.last_trade_at,
            cumulative_volume=tape.volume,
            cumulative_turnover=tape.turnover,
            day_open=tape.open,
            day_high=tape.high,
            day_low=tape.low,
            previous_close=instrument.reference if tape.previous_close is None else tape.previous_close,
            lower_circuit=low,
            upper_circuit=high,
            bids=tape.bids.best(book.bids.best_first()),
            asks=tape.asks.best(book.asks.best_first()),
            total_bid_quantity=tape.bids.total,
            total_ask_quantity=tape.asks.total,
        )


def _summary(trades: Sequence[Print]) -> Traded:
    prices = [trade.price for trade in trades]
    return Traded(
        minute=minute_of(trades[0].exchange_time),
        count=len(trades),
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(trade.quantity for trade in trades),
        turnover=sum(trade.price * trade.quantity for trade in trades),
    )
