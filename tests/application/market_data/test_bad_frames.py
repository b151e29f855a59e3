"""Frames that no feed should send: whatever is in them, ingest goes on, and what it stores can be read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.market_feed import Frame
from tests.application.market_data.world import INFY, SHARD, Ingest, events_of
from tests.support.tape import OPEN, SECOND_US

pytestmark = pytest.mark.usefixtures("quiet_log")
_VALUES: Sequence[Any] = (0, 1, -1, 2**53, 2**62, 2**63 - 1, 2**64 - 1, -(2**63), None, "", "x", "0001-01-01", [], 0.5)


def leaves(value: Any, path: tuple[int | str, ...] = ()) -> list[tuple[int | str, ...]]:
    """Where every value of a frame is."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return [path, *(each for key, inner in items for each in leaves(inner, (*path, key)))]


def spoilt(frame: Frame, path: tuple[int | str, ...], value: Any) -> bytes:
    """The frame with another value there."""
    whole = [msgspec.msgpack.decode(msgspec.msgpack.encode(frame))]
    holder: Any = whole
    for step in (0, *path)[:-1]:
        holder = holder[step]
    holder[(0, *path)[-1]] = value
    return msgspec.msgpack.encode(whole[0])


def a_story() -> tuple[Ingest, list[Frame]]:
    world = Ingest()
    frames: list[Frame] = [world.tape.keyframe()]
    for number in range(3):
        world.tape.now += SECOND_US
        world.tape.happen(INFY, 100_00 + number, 5)
        frames += [world.tape.windows(), world.tape.heartbeat()]
    return world, frames


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_wrong_value_stops_nothing(data: st.DataObject) -> None:
    world, frames = a_story()
    place = data.draw(st.integers(0, len(frames) - 1))
    paths = leaves(msgspec.msgpack.decode(msgspec.msgpack.encode(frames[place])))
    body = spoilt(frames[place], data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(_VALUES)))

    async def take() -> None:
        await world.take(*frames[:place], body, *frames[place:])
        for each in world.store.stored.values():
            # What cannot be packed could never be stored again.
            msgspec.msgpack.encode([each.state, each.quotes, each.progress, *each.candles.get(INFY, {}).values()])

    asyncio.run(take())


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=64) | st.integers(1, 20_000).map(lambda depth: b"\x91" * depth))
def test_any_bytes_are_parked_or_ignored(body: bytes) -> None:
    world = Ingest()
    asyncio.run(world.take(body))
    assert len(world.parked.events) == 1
    assert not world.store.stored


async def test_unknown_instruments_are_left_out() -> None:
    world, frames = a_story()
    foreign = [msgspec.msgpack.encode(frame).replace(INFY.encode(), b"NSE:NEWS") for frame in frames]
    await world.take(*foreign)
    assert not world.parked.events
    assert "NSE:NEWS" not in world.store.stored[SHARD].quotes


async def test_replayed_heartbeat_does_not_become_younger() -> None:
    world, frames = a_story()
    events = events_of(frames)
    await world.data.ingest(events)
    before = world.store.stored[SHARD].state
    await world.process().ingest(events)
    assert before is not None
    assert world.store.stored[SHARD].state == before
    assert before.sent_at == OPEN + 3 * SECOND_US
