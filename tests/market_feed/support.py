"""Updates of an exchange that Hypothesis makes up, and what a reader adds up from frames."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from simulators.market_feed.frames import (
    MINUTE_US,
    Frame,
    Heartbeat,
    Keyframe,
    SessionPhase,
    State,
    Trade,
    Traded,
    Update,
    Window,
    Windows,
    keyframe_window,
    minute_of,
)

decode = msgspec.msgpack.Decoder(Windows | Keyframe | Heartbeat).decode
NAMES = ("A", "B")
START = 1_795_492_800_000_000
DAY = "2026-11-23"


def state(phase: SessionPhase = SessionPhase.CONTINUOUS, volume: int = 0, price: int | None = None) -> State:
    return State(phase, price, None, None, volume, 0, None, None, None, None, 1, 1000, (), (), 0, 0)


@dataclass
class Exchange:
    """One that trades on demand; `trades` is what a resend would give."""

    epoch: int = 0
    now: int = START
    phase: SessionPhase = SessionPhase.CONTINUOUS
    trade_date: str = DAY
    trades: list[tuple[str, Trade]] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    volumes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))

    def keyframe(self) -> Update:
        """Begin the next epoch."""
        self.epoch += 1
        self.sequences = dict.fromkeys(NAMES, 0)
        windows = tuple(keyframe_window(name, 0, self.now, state(self.phase, self.volumes[name])) for name in NAMES)
        return Update(self.epoch, self.trade_date, self.phase, 0, True, windows)

    def take(self, kind: str, *values: Any) -> Update | None:
        """One of `STEPS`."""
        match kind:
            case "change":
                return self.change(*values)
            case "late":
                return self.change(values[0], [(100, 1)], late_minutes=values[1])
            case "epoch":
                return self.keyframe()
            case "wait":
                self.now += values[0]
            case "phase":
                self.phase = values[0]
            case "day":
                self.trade_date = (date.fromisoformat(self.trade_date) + timedelta(days=values[0])).isoformat()
        return None

    def change(self, name: str, trades: Sequence[tuple[int, int]] = (), late_minutes: int = 0) -> Update:
        """Trades of (price, quantity), or a change of the book without one."""
        first = self.sequences[name] + 1
        at = self.now - late_minutes * MINUTE_US
        for price, quantity in trades:
            self.sequences[name] += 1
            self.volumes[name] += quantity
            self.trades.append((name, Trade(self.epoch, self.sequences[name], at, self.phase, price, quantity)))
        if not trades:
            self.sequences[name] += 1
        made = [trade for owner, trade in self.trades[-len(trades) :] if owner == name] if trades else []
        window = Window(
            name,
            first,
            self.sequences[name],
            self.now,
            state(self.phase, self.volumes[name], trades[-1][0] if trades else None),
            summary(made) if made else None,
        )
        return Update(self.epoch, self.trade_date, self.phase, 0, False, (window,))


def summary(trades: Sequence[Trade]) -> Traded:
    prices = [trade.price for trade in trades]
    return Traded(
        minute_of(trades[0].exchange_time),
        len(trades),
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(trade.quantity for trade in trades),
        sum(trade.quantity * trade.price for trade in trades),
    )


PRICES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from(NAMES), PRICES),
        st.tuples(st.just("late"), st.sampled_from(NAMES), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1_000, 100_000, 400_000, 30_000_000])),
        st.tuples(st.just("phase"), st.sampled_from(list(SessionPhase))),
        st.tuples(st.just("day"), st.sampled_from([-1, 1])),
        st.tuples(st.just("epoch")),
    ),
    max_size=40,
)


@dataclass
class Reader:
    """Takes frames of one shard in order and checks what each promises."""

    epoch: int = 0
    epochs: set[int] = field(default_factory=set)
    last: dict[str, int] = field(default_factory=dict)
    windows: list[tuple[int, str, Window]] = field(default_factory=list)

    def read(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if frame.epoch != self.epoch:
                assert frame.epoch > self.epoch
                assert isinstance(frame, Keyframe)
                self.epoch, self.last = frame.epoch, {}
                self.epochs.add(frame.epoch)
            match frame:
                case Keyframe(windows=windows):
                    for window in windows:
                        assert window.first_sequence == window.last_sequence + 1
                        assert window.traded is None
                        assert self.last.setdefault(window.instrument_id, window.last_sequence) == window.last_sequence
                case Windows(windows=windows):
                    for window in windows:
                        assert window.first_sequence == self.last[window.instrument_id] + 1
                        self.last[window.instrument_id] = window.last_sequence
                        self.windows.append((frame.epoch, frame.trade_date, window))
                case Heartbeat(sequences=sequences):
                    assert sequences == self.last

    def adds_up(self, trades: Iterable[tuple[str, Trade]]) -> None:
        """Each window sums exactly the trades between its sequences, and all trades are in some window."""
        left = defaultdict(list)
        for name, trade in trades:
            left[name, trade.epoch].append(trade)
        for epoch, _, window in self.windows:
            made = [
                trade
                for trade in left[window.instrument_id, epoch]
                if window.first_sequence <= trade.sequence <= window.last_sequence
            ]
            assert window.traded == (summary(made) if made else None)
            assert len({(minute_of(trade.exchange_time), trade.phase) for trade in made}) <= 1
            for trade in made:
                left[window.instrument_id, epoch].remove(trade)
                assert trade.phase == window.state.phase
        assert not any(left.values())
