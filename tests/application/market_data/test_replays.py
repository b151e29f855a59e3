"""Whatever happens to frames on their way, candles are those of the venue's trades, and nothing counts twice."""

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.market_feed import Frame
from shared.domain.market_data.quotes import SessionPhase
from tests.application.market_data.world import INFY, SHARD, TCS, Ingest, events_of, figures, written
from tests.fakes.market_data import MemoryHistory
from tests.support.tape import SECOND_US, Tape

type Action = tuple[str, int, int]

_ACTIONS = st.tuples(
    st.sampled_from(
        (
            "trade",
            "trade",
            "trade",
            "late",
            "book",
            "wait",
            "windows",
            "windows",
            "keyframe",
            "beat",
            "phase",
            "restart",
        )
    ),
    st.integers(0, 3),
    st.integers(1, 5),
)
_FATES = st.sampled_from(("kept", "kept", "kept", "kept", "lost", "twice", "delayed"))
_FAULTS = st.sampled_from(("none", "none", "again", "elsewhere", "both", "venue late", "away", "set back", "emptied"))
_HARMLESS = {"none", "again", "elsewhere", "both"}
_PHASES = tuple(SessionPhase)


@dataclass
class Story:
    """A feed's frames as they arrive, in batches, and what goes wrong with each batch."""

    tape: Tape
    batches: list[list[Frame]]


def tell(actions: Sequence[Action], fates: Sequence[str]) -> Story:
    """Let the venue act, and the frames of each action take their fate."""
    tape = Tape(SHARD, (INFY, TCS))
    batches: list[list[Frame]] = [[tape.keyframe()]]
    delayed: list[Frame] = []
    for (action, which, amount), fate in zip(actions, fates, strict=False):
        frames = _act(tape, action, which, amount)
        if not frames:
            continue
        arriving = {"lost": [], "twice": frames * 2, "delayed": []}.get(fate, frames)
        if arriving or delayed:
            batches.append([*arriving, *delayed])
        delayed = frames if fate == "delayed" else []
    batches.append([*delayed, tape.windows(), tape.keyframe(), tape.heartbeat()])
    return Story(tape, batches)


def _act(tape: Tape, action: str, which: int, amount: int) -> list[Frame]:
    tape.now += SECOND_US * (1 + 15 * amount * (action == "wait"))
    instrument_id = (INFY, TCS)[which % 2]
    if action in {"trade", "late", "book"}:
        price, quantity = 100_00 + 5 * (amount - which), amount if action != "book" else 0
        at = tape.now - (60 + 10 * amount) * SECOND_US if action == "late" else None
        tape.happen(instrument_id, price, quantity, at=at)
        return []
    if action == "restart":
        tape.restart()
        return [tape.keyframe()]
    frames = _flush(tape, action)
    if action == "phase":
        tape.phase = _PHASES[which + (amount > 3)]
    return frames


def _flush(tape: Tape, action: str) -> list[Frame]:
    match action:
        case "windows" | "phase":
            return [tape.windows()]
        case "keyframe":
            return [tape.windows(), tape.keyframe()]
        case "beat":
            return [tape.windows(), tape.heartbeat()]
    return []


async def live(story: Story, faults: Sequence[str], history: MemoryHistory | None) -> Ingest:
    """Take all batches, with the faults, and then what a quiet minute brings."""
    world = Ingest(story.tape, history=history)
    here, there = world.data, world.process()
    older = deepcopy(world.store.stored)
    for number, batch in enumerate(story.batches):
        fault = faults[number % len(faults)]
        events = events_of(batch)
        world.store.is_away, story.tape.lag = fault == "away", int(fault == "venue late")
        await (there if fault == "elsewhere" else here).ingest(events)
        await written()
        world.store.is_away = False
        if fault in {"again", "both"}:
            await (there if fault == "both" else here).ingest(events)
        if fault == "set back":
            world.store.stored = deepcopy(older)
        if fault == "emptied":
            world.store.stored.clear()
        older = deepcopy(world.store.stored) if number % 3 == 0 else older
        check_volumes(world, history)
    for _ in range(4):
        story.tape.lag = 0
        story.tape.now += SECOND_US
        await world.settle()
    return world


def check_volumes(world: Ingest, history: MemoryHistory | None) -> None:
    """The candles of an instrument make up its day's volume, unless a minute is said to be incomplete."""
    book = world.store.stored.get(SHARD)
    for instrument_id, progress in (book.progress if book is not None and history is None else {}).items():
        quote = book.quotes.get(instrument_id)
        if progress.incomplete_from is None and quote is not None and quote.mark == progress.mark:
            assert sum(each.volume for each in world.candles(instrument_id).values()) == quote.volume


def all_figures(world: Ingest, history: MemoryHistory | None, instrument_id: str) -> dict[object, object]:
    held = (
        []
        if history is None
        else [each for doc in history.documents.values() if doc.instrument_id == instrument_id for each in doc.candles]
    )
    candles = {each.key: each for each in held} | world.candles(instrument_id)
    assert all(each.is_complete for each in candles.values())
    return {key: figures(each) for key, each in candles.items()}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    actions=st.lists(_ACTIONS, max_size=60),
    fates=st.lists(_FATES, min_size=60, max_size=60),
    faults=st.lists(_FAULTS, min_size=1, max_size=20),
    with_history=st.booleans(),
)
@pytest.mark.usefixtures("quiet_log")
def test_candles_are_exact_whatever_happens_to_frames(
    actions: list[Action], fates: list[str], faults: list[str], with_history: bool
) -> None:
    story = tell(actions, fates)
    history = MemoryHistory() if with_history else None
    world = asyncio.run(live(story, faults, history))
    for instrument_id in (INFY, TCS):
        assert all_figures(world, history, instrument_id) == story.tape.candles(instrument_id)
        quote = world.store.stored[SHARD].quotes[instrument_id]
        assert quote.volume == story.tape.volume(instrument_id)
        assert (quote.epoch, quote.sequence) == (story.tape.epoch, story.tape.sequence(instrument_id))
    assert not world.parked.events


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    actions=st.lists(_ACTIONS.filter(lambda action: action[0] not in {"late", "restart"}), max_size=60),
    fates=st.lists(st.sampled_from(("kept", "twice")), min_size=60, max_size=60),
    faults=st.lists(st.sampled_from(sorted(_HARMLESS)), min_size=1, max_size=20),
)
@pytest.mark.usefixtures("quiet_log")
def test_replays_and_new_owners_need_no_resend(actions: list[Action], fates: list[str], faults: list[str]) -> None:
    story = tell(actions, fates)
    world = asyncio.run(live(story, faults, None))
    assert story.tape.questions == 0
    assert all_figures(world, None, INFY) == story.tape.candles(INFY)
