"""What the market feed shows of each instrument: its depth, the figures of the day, and the numbers of its events.

Pure like the venue, which reports to it what happens to its books. In every instrument, each trade takes the next
sequence; whatever else a journal entry changes takes one more, once. So sequences and epochs are functions of the
journal, and a rebuilt venue numbers the same trades in the same way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from simulators.exchange.book import Fill, Order
from simulators.exchange.commands import LateTrade, MarketState
from simulators.market_feed.frames import Level, SessionPhase

FIRST_EPOCH = 1
"""Before there was a reader; the first one begins the next."""

_SHOWN_LEVELS = 5
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_FIELDS = ("last_price", "last_quantity", "last_trade_at", "volume", "turnover", "open", "high", "low")
_KEPT_FIELDS = ("sequence", *_DAY_FIELDS, "previous_close")


@dataclass(slots=True)
class Print:
    """One trade as the feed numbers it; `exchange_time` in microseconds since 1970 UTC, `late` if reported late."""

    instrument_id: str
    epoch: int
    sequence: int
    exchange_time: int
    phase: SessionPhase
    price: int
    quantity: int
    late: bool
    position: int
    recorded_at: datetime


class Depth:
    """One side of a book by price. The book itself would have to add up its orders at each look."""

    __slots__ = ("levels", "total")

    def __init__(self) -> None:
        self.levels: dict[int, list[int]] = {}
        self.total = 0

    def add(self, price: int, quantity: int) -> None:
        """An order of this quantity now rests."""
        self.total += quantity
        level = self.levels.get(price)
        if level is None:
            self.levels[price] = [quantity, 1]
        else:
            level[0] += quantity
            level[1] += 1

    def reduce(self, price: int, quantity: int) -> None:
        """A resting order has become smaller by this quantity."""
        self.total -= quantity
        self.levels[price][0] -= quantity

    def remove(self, price: int, quantity: int) -> None:
        """An order that still had this quantity rests no longer."""
        self.total -= quantity
        level = self.levels[price]
        level[0] -= quantity
        level[1] -= 1
        if not level[1]:
            del self.levels[price]

    def best(self, prices: Iterable[int]) -> tuple[Level, ...]:
        """The best five of the book's prices, given best first; some may have no living order."""
        found: list[Level] = []
        for price in prices:
            level = self.levels.get(price)
            if level is not None:
                found.append(Level(price, level[0], level[1]))
                if len(found) == _SHOWN_LEVELS:
                    break
        return tuple(found)


class Tape:
    """One instrument; the figures of the day are None before its first trade."""

    def __init__(self) -> None:
        self.sequence = 0
        self.changed_at = 0
        self.last_price: int | None = None
        self.last_quantity: int | None = None
        self.last_trade_at: int | None = None
        self.volume = 0
        self.turnover = 0
        self.open: int | None = None
        self.high: int | None = None
        self.low: int | None = None
        self.previous_close: int | None = None
        self.bids = Depth()
        self.asks = Depth()

    def trade(self, price: int, quantity: int) -> None:
        """Add a trade to the figures of the day."""
        self.volume += quantity
        self.turnover += price * quantity
        self.high = price if self.high is None else max(self.high, price)
        self.low = price if self.low is None else min(self.low, price)

    def begin_day(self) -> None:
        """Make the last price the previous close and start the figures of another day."""
        if self.last_price is not None:
            self.previous_close = self.last_price
        self.volume = self.turnover = 0
        self.open = self.high = self.low = None


class Tapes:
    """All instruments' tapes. `begin` and `end` enclose what one journal entry does."""

    def __init__(self) -> None:
        self.epoch = FIRST_EPOCH
        self.phase = SessionPhase.CONTINUOUS
        self.offset_us = 0
        self.trade_date: date | None = None
        self.listed: tuple[str, ...] = ()
        self.prints: list[Print] = []
        self.changed: dict[str, int] = {}
        """Instruments that have changed since `cut`, with the first of the sequences that they took."""
        self._tapes: dict[str, Tape] = {}
        self._touched: dict[str, Tape] = {}
        self._position = 0
        self._received_at = _BEGINNING
        self._now = 0

    def of(self, instrument_id: str) -> Tape:
        """The instrument's tape, made at first use."""
        found = self._tapes.get(instrument_id)
        if found is None:
            found = self._tapes[instrument_id] = Tape()
        return found

    def depth(self, instrument_id: str, *, buy: bool) -> Depth:
        """One side of the instrument."""
        tape = self.of(instrument_id)
        return tape.bids if buy else tape.asks

    def sequences(self) -> dict[str, int]:
        """The newest sequence of every instrument."""
        return {name: tape.sequence for name, tape in self._tapes.items()}

    def cut(self) -> tuple[dict[str, int], list[Print]]:
        """Take what has changed and traded since the last call."""
        taken = self.changed, self.prints
        self.changed, self.prints = {}, []
        return taken

    # --- one journal entry ----------------------------------------------------------------------------

    def begin(self, position: int, received_at: datetime, trade_date: date) -> None:
        """Note when and on which trade date the entry's events happen."""
        self._position = position
        if received_at is not self._received_at:
            self._received_at = received_at
            self._now = (received_at - _BEGINNING) // _MICROSECOND + self.offset_us
        if trade_date != self.trade_date:
            self._begin_day(trade_date)

    def end(self) -> None:
        """Number what the entry changed apart from trading."""
        if self._touched:
            for instrument_id, tape in self._touched.items():
                self._number(instrument_id, tape)
            self._touched = {}

    def rested(self, instrument_id: str, order: Order) -> None:
        """The order is now in the book with its leaves."""
        self._touch(instrument_id)
        self.depth(instrument_id, buy=order.buy).add(order.price, order.leaves)

    def left(self, instrument_id: str, order: Order, leaves: int) -> None:
        """The order, of which `leaves` rested, is out of the book without a trade."""
        self._touch(instrument_id)
        self.depth(instrument_id, buy=order.buy).remove(order.price, leaves)

    def shrunk(self, instrument_id: str, order: Order, less: int) -> None:
        """The resting order has become smaller."""
        self._touch(instrument_id)
        self.depth(instrument_id, buy=order.buy).reduce(order.price, less)

    def traded(self, instrument_id: str, fill: Fill) -> None:
        """A trade of the book."""
        tape, resting, price, quantity = self.of(instrument_id), fill.resting, fill.price, fill.quantity
        side = tape.bids if resting.buy else tape.asks
        if resting.leaves:
            side.reduce(price, quantity)
        else:
            side.remove(price, quantity)
        tape.trade(price, quantity)
        tape.last_price, tape.last_quantity, tape.last_trade_at = price, quantity, self._now
        if tape.open is None:
            tape.open = price
        self._print(instrument_id, tape, self._now, price, quantity, late=False)

    def late_trade(self, trade: LateTrade) -> None:
        """A trade of an earlier minute that is reported only now: it moves neither the last price nor the open."""
        tape = self.of(trade.instrument_id)
        tape.trade(trade.price, trade.quantity)
        self._print(trade.instrument_id, tape, trade.traded_at, trade.price, trade.quantity, late=True)

    def market_state(self, state: MarketState) -> None:
        """Phase, clock and listing from here on; a new epoch numbers from the beginning again."""
        self._now += state.offset_us - self.offset_us
        self.phase, self.offset_us, self.listed = SessionPhase(state.phase), state.offset_us, state.instruments
        for instrument_id in state.instruments:
            self._touch(instrument_id)
        if state.epoch != self.epoch:
            self.epoch = state.epoch
            self.changed, self._touched = {}, {}
            for tape in self._tapes.values():
                tape.sequence, tape.changed_at = 0, self._now

    def _begin_day(self, day: date) -> None:
        first, self.trade_date = self.trade_date is None, day
        if not first:
            for instrument_id, tape in self._tapes.items():
                tape.begin_day()
                self._touched[instrument_id] = tape

    def _touch(self, instrument_id: str) -> None:
        self._touched[instrument_id] = self.of(instrument_id)

    def _number(self, instrument_id: str, tape: Tape) -> int:
        tape.sequence += 1
        tape.changed_at = self._now
        if instrument_id not in self.changed:
            self.changed[instrument_id] = tape.sequence
        return tape.sequence

    def _print(self, instrument_id: str, tape: Tape, at: int, price: int, quantity: int, *, late: bool) -> None:
        sequence = self._number(instrument_id, tape)
        made = (instrument_id, self.epoch, sequence, at, self.phase, price, quantity, late)
        self.prints.append(Print(*made, self._position, self._received_at))

    # --- snapshot -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything but the depth, which follows from the books, as JSON values."""
        return {
            "epoch": self.epoch,
            "phase": self.phase.value,
            "offset_us": self.offset_us,
            "trade_date": self.trade_date.isoformat() if self.trade_date else None,
            "listed": self.listed,
            "tapes": {name: [getattr(tape, field) for field in _KEPT_FIELDS] for name, tape in self._tapes.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.epoch, self.phase, self.offset_us = state["epoch"], SessionPhase(state["phase"]), state["offset_us"]
        self.trade_date = date.fromisoformat(state["trade_date"]) if state["trade_date"] else None
        self.listed = tuple(state["listed"])
        for name, values in state["tapes"].items():
            for field, value in zip(_KEPT_FIELDS, values, strict=True):
                setattr(self.of(name), field, value)
