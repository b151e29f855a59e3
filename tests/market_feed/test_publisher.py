"""Sending shard by shard: in order, without loss while it takes long, and wrong on demand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from simulators.market_feed.faults import Faults, FaultSettings
from simulators.market_feed.frames import Frame, Windows
from simulators.market_feed.publisher import Publisher
from tests.market_feed.support import Exchange, decode
from tests.support.waiting import eventually


@dataclass
class Sent:
    """Bodies by shard; `open` lets sends return."""

    frames: dict[str, list[Frame]] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, shard: str, bodies: Sequence[bytes]) -> None:
        await self.open.wait()
        self.frames.setdefault(shard, []).extend(decode(body) for body in bodies)

    def kinds(self, shard: str) -> list[str]:
        return [type(frame).__name__ for frame in self.frames.get(shard, [])]

    def sequences(self) -> list[tuple[int, int]]:
        windows = [w for frame in self.frames.get("a", []) if isinstance(frame, Windows) for w in frame.windows]
        return [(window.first_sequence, window.last_sequence) for window in windows]


@asynccontextmanager
async def publishing(faults: FaultSettings | None = None) -> AsyncIterator[tuple[Publisher, Exchange, Sent]]:
    """A feed of two shards whose first epoch has begun."""
    sent, exchange, switches = Sent(), Exchange(), Faults()
    sent.open.set()
    publisher = Publisher({"a": ["A"], "b": ["B"]}, sent, switches)
    running = asyncio.create_task(publisher.run())
    try:
        publisher.take(exchange.keyframe())
        publisher.alive(True)
        await eventually(lambda: sent.kinds("a") and sent.kinds("b"))
        switches.settings = faults or FaultSettings()
        yield publisher, exchange, sent
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_each_shard_begins_with_a_keyframe_and_gets_its_own() -> None:
    async with publishing() as (publisher, exchange, sent):
        publisher.take(exchange.change("A", [(100, 1)]))
        await eventually(lambda: "Windows" in sent.kinds("a"))
        assert sent.kinds("a") == ["Keyframe", "Heartbeat", "Windows"]
        assert sent.kinds("b") == ["Keyframe", "Heartbeat"]
        await eventually(lambda: sent.kinds("b").count("Heartbeat") == 2)
        publisher.alive(False)


async def test_what_happens_while_a_send_hangs_leaves_as_one_window() -> None:
    async with publishing() as (publisher, exchange, sent):
        sent.open.clear()
        for _ in range(50):
            publisher.take(exchange.change("A", [(100, 1)]))
            await asyncio.sleep(0)
        sent.open.set()
        await eventually(lambda: sent.sequences() and sent.sequences()[-1][1] == 50)
        assert len(sent.sequences()) <= 3


async def test_restart_begins_a_greater_epoch_with_a_keyframe() -> None:
    async with publishing() as (publisher, exchange, sent):
        publisher.take(exchange.change("A", [(100, 1)]))
        publisher.take(exchange.keyframe())
        await eventually(lambda: [frame.epoch for frame in sent.frames["a"]][-1] == 2)
        newer = [type(f).__name__ for f in sent.frames["a"] if f.epoch == 2]
        assert newer[0] == "Keyframe"


@pytest.mark.parametrize(
    ("faults", "sequences"),
    [
        (FaultSettings(drop_frames=1), [(2, 2), (3, 3)]),
        (FaultSettings(duplicate=True), [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3), (3, 3)]),
        (FaultSettings(reorder=True), [(1, 1), (2, 2)]),
        (FaultSettings(mute=True), []),
    ],
    ids=lambda value: "" if isinstance(value, list) else ",".join(value.model_fields_set),
)
async def test_faults_change_what_is_sent(faults: FaultSettings, sequences: list[tuple[int, int]]) -> None:
    async with publishing(faults) as (publisher, exchange, sent):
        channel = publisher._channel_of["A"]
        for number in range(1, 4):
            channel._conflater._taken_in.clear()
            publisher.take(exchange.change("A", [(100, 1)]))
            await eventually(lambda number=number: channel._sent["A"].window.last_sequence == number)  # type: ignore[misc]
        await eventually(lambda: sent.sequences()[: len(sequences)] == sequences)
