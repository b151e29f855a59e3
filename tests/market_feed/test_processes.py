"""The real processes: exchange, feed, Event Hubs emulator, each killed; what a reader gets agrees with the resends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, PartitionContext

from emulators.processes.postgres import PostgresServer
from shared.contracts.market_feed import Frame, Heartbeat, Keyframe, Window, decode
from tests.exchange.processes import (
    ROOT,
    connection_string,
    quiet_port,
    shards,
    start_exchange,
    start_feed,
    start_messaging,
)
from tests.exchange.support import INSTRUMENTS
from tests.support.waiting import eventually

NAMES = ("NSE:INFY", "NSE:TCS", "NSE:LOTS")


@dataclass
class Hub:
    """The messaging emulator, which can be killed and started again."""

    folder: Path
    port: int
    messaging_dsn: str

    def __post_init__(self) -> None:
        self.start_messaging()

    def start_messaging(self) -> None:
        self.messaging = start_messaging(self.folder, self.messaging_dsn, self.port)

    @property
    def options(self) -> list[str]:
        """Of the feed's commands that make something up."""
        where = ["--event-hubs", connection_string(self.port), "--shards", str(shards(self.folder))]
        return ["--instruments", str(INSTRUMENTS), *where]

    async def events(self) -> list[Frame]:
        """Everything that the hub has, in the order of each shard."""
        client = EventHubConsumerClient.from_connection_string(
            connection_string(self.port), "$Default", eventhub_name="market-ticks"
        )
        found: dict[str, list[Frame]] = {}
        quiet: set[str] = set()

        async def on_batch(context: PartitionContext, batch: list[EventData]) -> None:
            for event in batch:
                frame = decode(b"".join(event.body))
                assert event.partition_key == frame.shard.encode()
                found.setdefault(context.partition_id, []).append(frame)
            if not batch:
                quiet.add(context.partition_id)

        async with client:
            reading = asyncio.create_task(
                client.receive_batch(on_batch, starting_position="-1", max_wait_time=3, max_batch_size=1000)
            )
            await eventually(lambda: len(quiet) == 4, 60)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        return [frame for frames in found.values() for frame in frames]


@dataclass
class World(Hub):
    """Three processes on two databases; each can be killed and started again."""

    admin_port: int
    exchange_dsn: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.start_exchange()
        self.start_feed()

    def start_exchange(self) -> None:
        options = ("--seed", "3", "--trades-per-s", "40", "--admin-port", str(self.admin_port))
        self.exchange = start_exchange(self.folder, self.exchange_dsn, self.port, *options)

    def start_feed(self) -> None:
        self.feed = start_feed(self.folder, self.exchange_url, self.port)

    @property
    def exchange_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    async def status(self) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self.feed.ready_line.split()[-1]) as http:
            body: dict[str, Any] = (await http.get("/status")).json()
            return body

    async def ask(self, path: str, **body: Any) -> None:
        """POST to the feed's admin API."""
        async with httpx.AsyncClient(base_url=self.feed.ready_line.split()[-1]) as http:
            (await http.post(path, json=body)).raise_for_status()

    async def more(self, frames: int = 20) -> None:
        """Wait until this many more frames have been sent."""
        before = (await self.status())["frames_sent"]

        async def sent() -> bool:
            return bool((await self.status())["frames_sent"] >= before + frames)

        await eventually(sent, 60, 0.1)


@pytest.fixture
def hub(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Hub]:
    port = quiet_port()
    hub = Hub(tmp_path, port, postgres_server.create_database(f"messaging_{port}"))
    yield hub
    hub.messaging.kill()


@pytest.fixture
def world(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[World]:
    port = quiet_port()
    messaging, exchange = (postgres_server.create_database(f"{name}_{port}") for name in ("messaging", "exchange"))
    world = World(tmp_path, port, messaging, quiet_port(), exchange)
    yield world
    for process in (world.feed, world.exchange, world.messaging):
        process.kill()


@pytest.mark.crash
async def test_nothing_is_missing_that_numbers_do_not_show(world: World) -> None:
    await world.more()
    await world.ask("/restart")
    await world.more()
    os.kill(world.feed.pid, signal.SIGKILL)
    world.feed.kill()
    world.start_feed()
    await world.more()
    world.messaging.kill()
    world.start_messaging()
    await world.more()
    world.exchange.kill()
    world.start_exchange()
    await world.more()
    assert world.feed.terminate() == 0
    frames = await world.events()
    assert {frame.epoch for frame in frames} == {2, 3, 4, 5}
    windows = checked(frames)
    async with httpx.AsyncClient(base_url=world.exchange_url) as http:
        for (epoch, name), found in windows.items():
            answer = (await http.get(f"/feed/{name}/trades", params={"epoch": epoch})).json()
            assert answer["next_after"] is None
            for window in found:
                inside = [t for t in answer["trades"] if window.first_sequence <= t["sequence"] <= window.last_sequence]
                assert (window.traded.count if window.traded else 0) == len(inside)
                if window.traded:
                    assert window.traded.volume == sum(t["quantity"] for t in inside)
                    prices = [t["price"] for t in inside]
                    assert (window.traded.high, window.traded.low) == (max(prices), min(prices))


def test_a_made_up_day_goes_through_the_command(hub: Hub) -> None:
    said = feed("generate", *hub.options, "--ticks-per-s", "0.05", "--speed", "1000000", "--epoch", "4")
    assert (said.returncode, said.stdout[:17]) == (0, "market feed ready")
    windows = checked(asyncio.run(hub.events()))
    assert {epoch for epoch, _ in windows} == {4}
    phases = {window.state.phase for found in windows.values() for window in found}
    assert phases == {"PRE_OPEN", "CONTINUOUS", "CLOSED"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["replay", "/none", "--shards", "/none"], "market feed: cannot read /none"),
        (
            ["generate", "--instruments", str(INSTRUMENTS), "--shards", "/none", "--day", "x"],
            "market feed: Invalid iso",
        ),
        (["burst", "--instruments", "/none", "--shards", "/none"], "market feed: cannot read /none"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_mistakes_are_answered_with_one_sentence(words: list[str], sentence: str) -> None:
    said = feed(*words, "--event-hubs", connection_string(1))
    assert said.returncode == 1
    assert said.stderr.startswith(sentence)
    assert said.stderr.count("\n") == 1


def feed(*words: str) -> subprocess.CompletedProcess[str]:
    """`python -m simulators.market_feed WORDS...`, run to its end."""
    command = [sys.executable, "-m", "simulators.market_feed", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=90, cwd=ROOT)


def checked(frames: list[Frame]) -> dict[tuple[int, str], list[Window]]:
    """The windows by epoch and instrument, each once, without gaps; keyframes come first and agree with them."""
    windows: dict[tuple[int, str], list[Window]] = {}
    last: dict[tuple[int, str], int] = {}
    begun: set[tuple[int, str]] = set()
    for frame in frames:
        assert (frame.epoch, frame.shard) in begun or isinstance(frame, Keyframe)
        begun.add((frame.epoch, frame.shard))
        if isinstance(frame, Heartbeat):
            assert all(last[frame.epoch, name] == sequence for name, sequence in frame.sequences.items())
            continue
        for window in frame.windows:
            key = frame.epoch, window.instrument_id
            if isinstance(frame, Keyframe):
                assert last.setdefault(key, window.last_sequence) == window.last_sequence
            elif window.last_sequence > last[key]:  # a batch whose answer was lost is sent again
                assert window.first_sequence == last[key] + 1
                last[key] = window.last_sequence
                windows.setdefault(key, []).append(window)
    assert {name for _, name in windows} == set(NAMES)
    return windows
