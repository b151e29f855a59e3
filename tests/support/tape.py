"""A venue whose every event is on record: what it publishes of them, what it resends, and which candles are right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.contracts.market_feed import Heartbeat, Keyframe, State, Window, Windows
from shared.domain.market_data.candles import MINUTE_US, CandleKey, Session, Traded, minute_of
from shared.domain.market_data.quotes import Level, SessionPhase
from shared.domain.market_data.tape import Resend, Trade
from shared.domain.sessions import INDIA

TRADE_DATE = "2026-11-23"
OPEN = int(datetime(2026, 11, 23, 9, 15, tzinfo=INDIA).astimezone(UTC).timestamp()) * 1_000_000
SECOND_US = 1_000_000


@dataclass(frozen=True)
class Happened:
    """One event: its place in the stream, and the trade if it was one."""

    epoch: int
    sequence: int
    reported_at: int
    phase: SessionPhase
    trade: Trade | None


type Figures = tuple[int, int, int, int, int, int, int]
"""Open, high, low, close, volume, turnover, trades."""


@dataclass
class Tape:
    """One venue with one shard. Implements `Resends` too."""

    shard: str
    instruments: tuple[str, ...]
    now: int = OPEN
    epoch: int = 1
    phase: SessionPhase = SessionPhase.CONTINUOUS
    events: dict[str, list[Happened]] = field(default_factory=dict)
    published: dict[str, int] = field(default_factory=dict)
    """How many events of each instrument have been published."""
    questions: int = 0
    lag: int = 0
    """How many of an instrument's newest events its resends do not take account of yet."""

    def happen(self, instrument_id: str, price: int = 0, quantity: int = 0, *, at: int | None = None) -> None:
        """A trade, `at` an instant of an earlier minute if it is late, or without a quantity a change of the book."""
        events = self.events.setdefault(instrument_id, [])
        sequence = self.sequence(instrument_id) + 1
        when = self.now if at is None else at
        trade = Trade(self.epoch, sequence, when, self.phase, price, quantity) if quantity else None
        events.append(Happened(self.epoch, sequence, self.now, self.phase, trade))

    def sequence(self, instrument_id: str) -> int:
        events = self.events.get(instrument_id)
        return events[-1].sequence if events and events[-1].epoch == self.epoch else 0

    def restart(self) -> None:
        """What was not published yet never will be."""
        self.epoch += 1
        self.published = {each: len(events) for each, events in self.events.items()}

    def windows(self) -> Windows:
        """Everything that has not been published, conflated as far as the contract allows."""
        made: list[Window] = []
        for instrument_id in self.instruments:
            events = self.events.get(instrument_id, [])
            done = self.published.get(instrument_id, 0)
            self.published[instrument_id] = len(events)
            for group in _cut(events[done:]):
                upto = events[: events.index(group[-1]) + 1]
                made.append(self._window(instrument_id, group[0].sequence, upto, _traded(group)))
        return Windows(self.shard, self.epoch, TRADE_DATE, self.now, tuple(made))

    def keyframe(self) -> Keyframe:
        """The state of every instrument that has one, of what has been published."""
        made = [
            self._window(each, self.sequence(each) + 1, self.events.get(each, []), None) for each in self.instruments
        ]
        return Keyframe(self.shard, self.epoch, TRADE_DATE, self.now, tuple(made))

    def heartbeat(self) -> Heartbeat:
        """The newest sequences; says nothing of what is not published."""
        sequences = {each: self.sequence(each) for each in self.instruments}
        return Heartbeat(self.shard, self.epoch, TRADE_DATE, self.now, self.phase, sequences)

    def candles(self, instrument_id: str) -> dict[CandleKey, Figures]:
        """What every trade makes: the slow and obvious way."""
        trades = [each.trade for each in self.events.get(instrument_id, []) if each.trade is not None]
        keys = {CandleKey(minute_of(each.exchange_time), Session.of(each.phase)) for each in trades}
        return {key: _figures(key, trades) for key in keys}

    def volume(self, instrument_id: str) -> int:
        return sum(each.trade.quantity for each in self.events.get(instrument_id, []) if each.trade is not None)

    async def after(self, instrument_id: str, epoch: int, sequence: int, most: int = 1000) -> Resend | None:
        """See `Resends.after`."""
        self.questions += 1
        if epoch > self.epoch or instrument_id not in self.instruments:
            return None
        trades = [each for each in self._trades(instrument_id) if each.epoch == epoch and each.sequence > sequence]
        more = trades[most - 1].sequence if len(trades) > most else None
        return Resend(trades[:most], self.epoch, self._through(instrument_id), more)

    async def of_minute(self, instrument_id: str, minute: int) -> Resend | None:
        """See `Resends.of_minute`."""
        self.questions += 1
        if instrument_id not in self.instruments:
            return None
        trades = [each for each in self._trades(instrument_id) if minute_of(each.exchange_time) == minute]
        return Resend(trades, self.epoch, self._through(instrument_id))

    def _trades(self, instrument_id: str) -> list[Trade]:
        through = (self.epoch, self._through(instrument_id))
        trades = [each.trade for each in self.events.get(instrument_id, []) if each.trade is not None]
        return [each for each in trades if each.mark <= through]

    def _through(self, instrument_id: str) -> int:
        return max(0, self.sequence(instrument_id) - self.lag)

    def _window(self, instrument_id: str, first: int, upto: list[Happened], traded: Traded | None) -> Window:
        trades = [each.trade for each in upto if each.trade is not None]
        prices = [each.price for each in trades]
        last = trades[-1] if trades else None
        state = State(
            phase=upto[-1].phase if upto else self.phase,
            last_price=last.price if last else None,
            last_quantity=last.quantity if last else None,
            last_trade_at=last.exchange_time if last else None,
            cumulative_volume=sum(each.quantity for each in trades),
            cumulative_turnover=sum(each.quantity * each.price for each in trades),
            day_open=prices[0] if prices else None,
            day_high=max(prices, default=None),
            day_low=min(prices, default=None),
            previous_close=100_00,
            lower_circuit=90_00,
            upper_circuit=110_00,
            bids=(Level(99_95, 10, 1),),
            asks=(Level(100_05, 20, 2),),
            total_bid_quantity=10,
            total_ask_quantity=20,
        )
        sequence = upto[-1].sequence if upto and upto[-1].epoch == self.epoch else 0
        return Window(instrument_id, first, sequence, upto[-1].reported_at if upto else self.now, state, traded)


def _cut(events: Iterable[Happened]) -> Iterator[list[Happened]]:
    """Groups that one window may join: of one minute and phase; a late trade stands alone."""
    group: list[Happened] = []
    for event in events:
        if group and (_is_late(event) or _is_late(group[-1]) or _part(event) != _part(group[-1])):
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def _part(event: Happened) -> tuple[int, int, SessionPhase]:
    return event.epoch, minute_of(event.reported_at), event.phase


def _is_late(event: Happened) -> bool:
    return event.trade is not None and minute_of(event.trade.exchange_time) < minute_of(event.reported_at)


def _traded(events: list[Happened]) -> Traded | None:
    trades = [each.trade for each in events if each.trade is not None]
    if not trades:
        return None
    prices = [each.price for each in trades]
    volume, turnover = sum(each.quantity for each in trades), sum(each.price * each.quantity for each in trades)
    minute = minute_of(trades[0].exchange_time)
    return Traded(minute, len(trades), prices[0], max(prices), min(prices), prices[-1], volume, turnover)


def _figures(key: CandleKey, trades: list[Trade]) -> Figures:
    members = [each for each in trades if key.start <= each.exchange_time < key.start + MINUTE_US]
    members = [each for each in members if Session.of(each.phase) == key.session]
    members.sort(key=lambda each: (each.exchange_time, each.epoch, each.sequence))
    prices = [each.price for each in members]
    volume = sum(each.quantity for each in members)
    turnover = sum(each.price * each.quantity for each in members)
    return prices[0], max(prices), min(prices), prices[-1], volume, turnover, len(members)
