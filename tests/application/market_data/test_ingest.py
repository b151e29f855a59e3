"""Frames become quotes and candles: hand-made days, lost frames, bad events, and dependencies that are away."""

from typing import Any

import msgspec
import pytest

from shared.contracts.market_feed import Windows
from shared.domain.errors import UnavailableError
from shared.domain.market_data.candles import MINUTE_US, CandleKey, Session, day_bar
from shared.domain.market_data.quotes import SessionPhase
from shared.domain.market_data.tape import Resend
from shared.ports.candles import CandleHour
from shared.ports.resends import TooOldError
from tests.application.market_data.world import INFY, SHARD, TCS, Ingest, figures
from tests.fakes.market_data import MemoryHistory
from tests.support.tape import OPEN, SECOND_US

FIRST = CandleKey(OPEN, Session.CONTINUOUS)
pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture
async def world() -> Ingest:
    """A shard that has just begun."""
    made = Ingest()
    await made.take(made.tape.keyframe())
    return made


async def test_extremes_inside_a_window_reach_the_candle(world: Ingest) -> None:
    for price in (100_00, 104_00, 97_00, 101_00):
        world.tape.happen(INFY, price, 10)
    await world.take(world.tape.windows())
    world.tape.happen(INFY, 102_00, 5)
    await world.take(world.tape.windows())
    assert world.figures() == {FIRST: (100_00, 104_00, 97_00, 102_00, 45, 4_530_00, 5)}


async def test_trade_on_the_boundary_opens_the_next_minute(world: Ingest) -> None:
    world.tape.now = OPEN + MINUTE_US - 1
    world.tape.happen(INFY, 100_00, 1)
    world.tape.now = OPEN + MINUTE_US
    world.tape.happen(INFY, 101_00, 2)
    await world.take(world.tape.windows())
    assert {key.start: each[4] for key, each in world.figures().items()} == {OPEN: 1, OPEN + MINUTE_US: 2}


async def test_auctions_have_candles_of_their_own_and_the_day_all_volume(world: Ingest) -> None:
    tape = world.tape
    phases = (
        (SessionPhase.PRE_OPEN, -7, 99_00, 500),
        (SessionPhase.CONTINUOUS, 0, 100_00, 10),
        (SessionPhase.CONTINUOUS, 1, 103_00, 20),
        (SessionPhase.CLOSING_AUCTION, 375, 98_00, 70),
    )
    for phase, minute, price, quantity in phases:
        tape.now, tape.phase = OPEN + minute * MINUTE_US, phase
        tape.happen(INFY, price, quantity)
        await world.take(tape.windows())
    assert world.figures()[FIRST][0] == 100_00
    day = day_bar(world.candles().values(), OPEN)
    assert day is not None
    assert (day.open, day.high, day.low, day.close, day.volume) == (99_00, 103_00, 98_00, 98_00, 600)


async def test_late_trade_lands_in_its_own_minute(world: Ingest) -> None:
    tape = world.tape
    tape.happen(INFY, 100_00, 10)
    tape.now += 30 * SECOND_US
    tape.happen(INFY, 101_00, 10)
    await world.take(tape.windows())
    before = world.candles()[FIRST].revision
    tape.now = OPEN + MINUTE_US + 5 * SECOND_US
    tape.happen(INFY, 99_00, 7, at=OPEN + 10 * SECOND_US)
    await world.take(tape.windows())
    assert world.figures() == {FIRST: (100_00, 101_00, 99_00, 101_00, 27, 2_703_00, 3)}
    assert world.candles()[FIRST].revision > before
    await world.take(tape.heartbeat())
    assert world.figures() == tape.candles(INFY)


async def test_lost_window_marks_its_minute_until_the_resend(world: Ingest) -> None:
    tape = world.tape
    tape.lag = 10
    tape.happen(INFY, 100_00, 10)
    await world.take(tape.windows())
    tape.happen(INFY, 110_00, 1)
    tape.windows()  # lost
    tape.happen(INFY, 101_00, 10)
    await world.take(tape.windows(), tape.heartbeat())
    assert not world.candles()[FIRST].is_complete
    assert world.store.stored[SHARD].progress[INFY].incomplete_from == OPEN
    tape.lag = 0
    await world.take(tape.heartbeat())
    assert world.candles()[FIRST].is_complete
    assert world.figures() == {FIRST: (100_00, 110_00, 100_00, 101_00, 21, 2_120_00, 3)}


async def test_each_minute_with_a_loss_is_incomplete_until_the_resend(world: Ingest) -> None:
    tape = world.tape
    tape.lag = 100
    for minute in range(3):
        tape.now = OPEN + minute * MINUTE_US
        tape.happen(INFY, 100_00, 10)
        tape.windows()  # lost
        tape.happen(INFY, 101_00, 10)
        await world.take(tape.windows(), tape.heartbeat())
    assert [each.is_complete for each in world.candles().values()] == [False, False, False]
    tape.now = OPEN + 3 * MINUTE_US
    tape.happen(INFY, 102_00, 10)
    await world.take(tape.windows(), tape.heartbeat())
    assert world.candles()[CandleKey(OPEN + 3 * MINUTE_US, Session.CONTINUOUS)].is_complete
    tape.lag = 0
    await world.take(tape.heartbeat())
    assert world.figures() == tape.candles(INFY)
    assert all(each.is_complete for each in world.candles().values())


async def test_window_partly_behind_adds_nothing_before_the_resend(world: Ingest) -> None:
    tape = world.tape
    tape.happen(INFY, 100_00, 10)
    first = tape.windows()
    tape.happen(INFY, 101_00, 5)
    both = msgspec.structs.replace(tape.windows(), windows=(_joined(first, world),))
    await world.take(first, both)
    assert world.figures() == {FIRST: (100_00, 100_00, 100_00, 100_00, 10, 1_000_00, 1)}
    assert not world.candles()[FIRST].is_complete
    await world.take(tape.heartbeat())
    assert world.figures() == tape.candles(INFY)


def _joined(first: Windows, world: Ingest) -> Any:
    """A window over the first one's event and the next, as a sender makes it that conflates anew."""
    events = world.tape.events[INFY]
    return world.tape._window(INFY, first.windows[0].first_sequence, events, first.windows[0].traded)


async def test_lost_last_message_shows_in_the_heartbeat(world: Ingest) -> None:
    world.tape.happen(INFY, 100_00, 10)
    world.tape.windows()  # lost
    await world.take(world.tape.heartbeat())
    assert world.figures() == world.tape.candles(INFY)
    await world.take(world.tape.keyframe())
    assert world.store.stored[SHARD].quotes[INFY].volume == 10


@pytest.mark.parametrize("lost", [0, 7])
async def test_new_epoch_asks_the_venue_only_when_volume_jumped(world: Ingest, lost: int) -> None:
    tape = world.tape
    tape.happen(INFY, 100_00, 10)
    await world.take(tape.windows())
    if lost:
        tape.happen(INFY, 105_00, lost)
    tape.restart()
    await world.take(tape.keyframe(), tape.heartbeat())
    assert (tape.questions > 0) == bool(lost)
    assert world.figures() == tape.candles(INFY)


async def test_bad_event_is_parked_and_stops_nothing(world: Ingest) -> None:
    tape = world.tape
    foreign = msgspec.structs.replace(tape.keyframe(), shard="s999")
    tape.happen(INFY, 100_00, 10)
    good = tape.windows()
    window = good.windows[0]
    assert window.traded is not None
    spoilt = msgspec.structs.replace(
        good,
        windows=(
            msgspec.structs.replace(window, traded=msgspec.structs.replace(window.traded, high=1)),
            *good.windows[1:],
        ),
    )
    await world.take(b"\xc1", foreign, spoilt, b"", good)
    assert [each.event.offset for each in world.parked.events] == ["0", "1", "2", "3"]
    assert world.figures()[FIRST][4] == 10


async def test_batch_of_a_store_that_is_away_is_healed_later(world: Ingest) -> None:
    world.tape.happen(INFY, 100_00, 10)
    world.store.is_away = True
    await world.take(world.tape.windows())
    world.store.is_away = False
    world.tape.happen(INFY, 101_00, 10)
    await world.take(world.tape.windows(), world.tape.heartbeat())
    assert world.figures() == world.tape.candles(INFY)


async def test_push_is_called_with_what_each_batch_changed(world: Ingest) -> None:
    world.push.changes.clear()
    world.tape.happen(TCS, 100_00, 10)
    windows, heartbeat = world.tape.windows(), world.tape.heartbeat()
    await world.take(windows)
    await world.take(windows)
    await world.take(heartbeat)
    first, second = world.push.changes
    assert [each.instrument_id for each in first.quotes] == [TCS]
    assert first.state is None
    assert not second.quotes
    assert second.state is not None


async def test_closed_candles_go_to_history_and_leave_the_shard() -> None:
    world = Ingest(history=MemoryHistory())
    tape = world.tape
    await world.take(tape.keyframe())
    tape.happen(INFY, 100_00, 10)
    await world.take(tape.windows())
    tape.now = OPEN + 70 * SECOND_US - 1
    await world.take(tape.heartbeat())
    assert world.figures()
    tape.now += 1
    await world.take(tape.heartbeat())
    assert world.figures()
    await world.take(tape.heartbeat())
    assert not world.figures()
    assert _history(world) == {FIRST: (100_00, 100_00, 100_00, 100_00, 10, 1_000_00, 1)}


async def test_very_late_trade_replaces_the_candle_in_history() -> None:
    world = Ingest(history=MemoryHistory())
    tape = world.tape
    await world.take(tape.keyframe())
    tape.happen(INFY, 100_00, 10)
    await world.take(tape.windows())
    tape.now = OPEN + 5 * MINUTE_US
    await world.take(tape.heartbeat())
    await world.take(tape.heartbeat())
    tape.happen(INFY, 99_00, 7, at=OPEN + 10 * SECOND_US)
    await world.take(tape.windows())
    assert not world.figures()
    await world.take(tape.heartbeat())
    assert _history(world) == tape.candles(INFY)


async def test_candles_stay_while_history_is_away() -> None:
    world = Ingest(history=MemoryHistory(is_away=True))
    world.tape.happen(INFY, 100_00, 10)
    await world.take(world.tape.windows())
    world.tape.now += 5 * MINUTE_US
    await world.take(world.tape.heartbeat())
    assert world.figures()


async def test_two_writers_of_one_hour_lose_no_candle() -> None:
    class Contended(MemoryHistory):
        """Somebody else writes each document first."""

        async def put(self, hour: CandleHour) -> bool:
            if hour.etag is None:
                await super().put(msgspec.structs.replace(hour, candles=()))
            return await super().put(hour)

    world = Ingest(history=Contended())
    world.tape.happen(INFY, 100_00, 10)
    await world.take(world.tape.windows())
    world.tape.now += 5 * MINUTE_US
    await world.take(world.tape.heartbeat())
    assert _history(world) == world.tape.candles(INFY)


def _history(world: Ingest) -> dict[CandleKey, Any]:
    assert world.history is not None
    return {each.key: figures(each) for doc in world.history.documents.values() for each in doc.candles}


class _Broken:
    """A venue that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def after(self, instrument_id: str, epoch: int, sequence: int, most: int = 1000) -> Resend | None:
        raise self.error

    async def of_minute(self, instrument_id: str, minute: int) -> Resend | None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "stays_open"), [(UnavailableError("away", retry_after_s=5), True), (TooOldError(), False)]
)
async def test_minutes_stay_incomplete_without_a_resend(error: Exception, stays_open: bool) -> None:
    world = Ingest(resends=_Broken(error))
    await world.take(world.tape.keyframe())
    world.tape.happen(INFY, 100_00, 10)
    world.tape.windows()  # lost
    world.tape.happen(INFY, 101_00, 10)
    await world.take(world.tape.windows(), world.tape.heartbeat())
    assert not world.candles()[FIRST].is_complete
    assert world.store.stored[SHARD].progress[INFY].is_damaged == stays_open


async def test_emptied_store_is_filled_again_for_this_day_alone(world: Ingest) -> None:
    tape = world.tape
    tape.now = OPEN - 24 * 60 * MINUTE_US
    for _ in range(5):
        tape.happen(INFY, 90_00, 1)
    tape.now = OPEN
    for number in range(2500):
        tape.now += SECOND_US
        tape.happen(INFY, 100_00 + number, 1)
    tape.windows()
    world.store.stored.clear()
    world.data = world.process()
    await world.take(tape.keyframe(), tape.heartbeat())
    today = {key: each for key, each in tape.candles(INFY).items() if key.start >= OPEN}
    assert world.figures() == today
