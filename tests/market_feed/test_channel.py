"""Conflation loses nothing: windows add up to the trades, extremes included, whatever is joined."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.market_feed.channel import Channel
from simulators.market_feed.conflation import MOST_WAITING
from simulators.market_feed.frames import Frame, Heartbeat, Keyframe, SessionPhase, Windows
from tests.market_feed.support import NAMES, STEPS, Exchange, Reader


class Clock:
    """Takes the exchange's time for the monotonic one."""

    def __init__(self, channel: Channel, exchange: Exchange) -> None:
        self.channel, self.exchange = channel, exchange

    def frames(self) -> list[Frame]:
        return self.channel.frames(self.exchange.now / 1e6, self.exchange.now)


def opened() -> tuple[Channel, Exchange, Clock]:
    channel, exchange = Channel("s000"), Exchange()
    update = exchange.keyframe()
    channel.take(update, update.windows)
    channel.alive = True
    return channel, exchange, Clock(channel, exchange)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.data())
def test_windows_add_up_to_the_trades(steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    channel, exchange, clock = opened()
    reader = Reader()
    reader.read(clock.frames())
    for step in steps:
        update = exchange.take(*step)
        if update is not None:
            channel.take(update, update.windows)
        if data.draw(st.booleans()):
            reader.read(clock.frames())
    exchange.now += 1_000_000
    reader.read(clock.frames())
    # An epoch that was over before its keyframe could be sent is given up as a whole.
    reader.adds_up((name, trade) for name, trade in exchange.trades if trade.epoch in reader.epochs)


def test_an_instrument_leaves_at_most_four_times_a_second() -> None:
    channel, exchange, clock = opened()
    clock.frames()
    sent = 0
    for _ in range(1000):
        exchange.now += 2_000
        update = exchange.change("A", [(100, 1)])
        channel.take(update, update.windows)
        sent += sum(isinstance(frame, Windows) for frame in clock.frames())
    assert 8 <= sent <= 9


def test_first_change_after_a_quiet_while_leaves_at_once() -> None:
    channel, exchange, clock = opened()
    clock.frames()
    exchange.now += 130_000
    assert channel.due_s(exchange.now / 1e6) > 0
    update = exchange.change("A")
    channel.take(update, update.windows)
    assert channel.due_s(exchange.now / 1e6) == 0
    [windows] = clock.frames()
    assert isinstance(windows, Windows)


def test_heartbeat_each_second_and_keyframe_each_half_minute() -> None:
    _, exchange, clock = opened()
    frames: list[Frame] = []
    for _ in range(6100):
        frames += clock.frames()
        exchange.now += 10_000
    assert sum(isinstance(frame, Heartbeat) for frame in frames) == 61
    assert sum(isinstance(frame, Keyframe) for frame in frames) == 3
    assert isinstance(frames[0], Keyframe)


def test_no_heartbeat_while_the_exchange_is_away() -> None:
    channel, exchange, clock = opened()
    clock.frames()
    channel.alive = False
    update = exchange.change("A", [(100, 1)])
    channel.take(update, update.windows)
    exchange.now += 60_000_000
    assert [type(frame) for frame in clock.frames()] == [Windows]


def test_an_outage_keeps_a_window_a_minute_and_then_shows_a_gap() -> None:
    channel, exchange, clock = opened()
    reader = Reader()
    reader.read(clock.frames())
    minutes = MOST_WAITING + 2
    for _ in range(minutes * 6):
        update = exchange.change("A", [(100, 1)])
        channel.take(update, update.windows)
        exchange.now += 10_000_000
    [windows, *_] = clock.frames()
    assert isinstance(windows, Windows)
    assert channel.dropped == len(range(minutes + 1)) - MOST_WAITING or channel.dropped == minutes - MOST_WAITING
    assert windows.windows[0].first_sequence > reader.last["A"] + 1
    assert windows.windows[-1].last_sequence == exchange.sequences["A"]


def test_epoch_that_never_began_is_given_up() -> None:
    channel, exchange, clock = opened()
    update = exchange.change("A", [(100, 1)])
    channel.take(update, update.windows)
    update = exchange.keyframe()
    channel.take(update, update.windows)
    frames = clock.frames()
    assert {frame.epoch for frame in frames} == {2}
    assert isinstance(frames[0], Keyframe)
    assert frames[0].windows[0].state.cumulative_volume == 1


def test_keyframe_shows_what_was_sent_not_what_waits() -> None:
    channel, exchange, clock = opened()
    reader = Reader()
    reader.read(clock.frames())
    for _ in range(2):
        update = exchange.change("A", [(100, 1)])
        channel.take(update, update.windows)
        exchange.now += 1
        reader.read(clock.frames())
    exchange.now += 31_000_000
    channel._conflater._taken_in["A"] = int(exchange.now / 1e6 * 4)
    [keyframe, heartbeat] = clock.frames()
    assert isinstance(keyframe, Keyframe)
    assert isinstance(heartbeat, Heartbeat)
    assert keyframe.windows[0].last_sequence == heartbeat.sequences["A"] == 1
    assert {window.state.phase for window in keyframe.windows} == {SessionPhase.CONTINUOUS}
    assert [window.instrument_id for window in keyframe.windows] == list(NAMES)
