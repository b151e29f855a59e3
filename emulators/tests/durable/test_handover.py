"""Several real processes on one hub: who takes over, how fast, and what a worker that slept may do."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from emulators.durable import DurableTaskHub, open_task_hub
from emulators.durable.settings import HubSettings
from emulators.processes.postgres import PostgresServer
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import decoded, finished
from emulators.tests.durable.test_crashes import (
    _assert_committed_runs_were_the_last,
    _finished_or_none,
    _open_to_postgres,
    _prepare_journal,
    _queues_are_empty,
    worker_process,
)
from emulators.tests.durable.workload import expected
from emulators.tests.support.waiting import eventually

KILL_ROUNDS = int(os.environ.get("DURABLE_KILL_ROUNDS", "2"))
HAND_OVER_S = 2.0
HEARTBEAT_S = HubSettings.from_host_json({}).heartbeat_s


async def owners(dsn: str, hub: str) -> dict[Any, int]:
    """Partitions by their owner, live or not."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(
            "SELECT owner, count(*) FROM durable.leases WHERE hub = %s AND owner IS NOT NULL GROUP BY owner", (hub,)
        )
        return dict(await cursor.fetchall())


async def start_all(hub: DurableTaskHub, names: list[str]) -> None:
    for name in names:
        await hub.client.start("mixed", name, None)


async def assert_results(dsn: str, hub: DurableTaskHub, names: list[str]) -> None:
    """Every instance ended as an uncrashed run does, and no outcome was computed again."""
    rows = [await finished(hub, name, 60.0) for name in names]
    assert [decoded(row.output) for row in rows] == [expected(name) for name in names]
    await _assert_committed_runs_were_the_last(dsn, hub, rows)


@asynccontextmanager
async def two_workers(dsn: str, hub: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    """Two processes with half of the partitions each: the first one, and its worker's id."""
    async with worker_process(dsn, hub) as first:
        await eventually(lambda: _shares(dsn, hub, [8]), 60.0)
        [worker] = await owners(dsn, hub)
        async with worker_process(dsn, hub):
            await eventually(lambda: _shares(dsn, hub, [4, 4]), 60.0)
            yield first, worker


@pytest.mark.crash
async def test_killed_process_is_replaced_within_two_seconds(
    session_dsn: str, open_hub: OpenHub, hub_name: str
) -> None:
    await _prepare_journal(session_dsn)
    hub = await open_hub()
    names = [f"{hub_name}-{number}" for number in range(30)]
    async with two_workers(session_dsn, hub_name) as (first, doomed):
        await start_all(hub, names)
        beats = Heartbeats(session_dsn, hub_name, doomed)
        first.send_signal(signal.SIGKILL)
        killed, waited = time.monotonic(), _waited_for_processors_s()
        await eventually(beats.count_until_all_is_lost, 60.0)
        assert len(beats.seen) * HEARTBEAT_S <= HAND_OVER_S
        assert time.monotonic() - killed - (_waited_for_processors_s() - waited) < HAND_OVER_S
        await assert_results(session_dsn, hub, names)


@pytest.mark.crash
async def test_paused_process_loses_its_lease_and_harms_nothing(
    session_dsn: str, open_hub: OpenHub, hub_name: str
) -> None:
    await _prepare_journal(session_dsn)
    hub = await open_hub()
    names = [f"{hub_name}-{number}" for number in range(30)]
    async with two_workers(session_dsn, hub_name) as (first, paused):
        await start_all(hub, names)
        first.send_signal(signal.SIGSTOP)
        await eventually(lambda: _lost_everything(session_dsn, hub_name, paused))
        first.send_signal(signal.SIGCONT)
        rows = [await finished(hub, name, 60.0) for name in names]
        assert [decoded(row.output) for row in rows] == [expected(name) for name in names]
        await eventually(lambda: _shares(session_dsn, hub_name, [4, 4]), 60.0)
        await eventually(lambda: _queues_are_empty(session_dsn, hub_name))


@pytest.mark.crash
async def test_worker_and_postgres_killed_together_lose_nothing(tmp_path: Path) -> None:
    _open_to_postgres(tmp_path)
    server = PostgresServer.start(tmp_path / "server")
    try:
        dsn = server.create_database("together")
        await _prepare_journal(dsn)
        hub = await open_task_hub(dsn, "together", {})
        names = [f"i{number}" for number in range(20)]
        await start_all(hub, names)
        async with worker_process(dsn, "together") as worker:
            await eventually(lambda: _some_finished(hub, names))
            assert server.process is not None
            worker.kill()
            server.process.kill()
            server.process.wait()
        server = await asyncio.to_thread(PostgresServer.start, server.folder, server.port)
        async with worker_process(dsn, "together"):
            rows = [await eventually(lambda name=name: _finished_or_none(hub, name), 60.0) for name in names]
        assert [decoded(row.output) for row in rows] == [expected(name) for name in names]
        await _assert_committed_runs_were_the_last(dsn, hub, rows)
        await hub.drain(1.0)
    finally:
        server.stop()


@pytest.mark.crash
async def test_random_kills_end_as_an_uncrashed_run_does(session_dsn: str, open_hub: OpenHub, hub_name: str) -> None:
    """Rounds by the environment: DURABLE_KILL_ROUNDS=100."""
    chance = random.Random(KILL_ROUNDS)
    await _prepare_journal(session_dsn)
    hub = await open_hub()
    names = [f"{hub_name}-{number}" for number in range(10 * KILL_ROUNDS)]
    await start_all(hub, names)
    async with worker_process(session_dsn, hub_name):
        for _ in range(KILL_ROUNDS):
            async with AsyncExitStack() as stack:
                process = await stack.enter_async_context(worker_process(session_dsn, hub_name))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(process.wait(), chance.uniform(0.02, 0.6))
                process.kill()
        await assert_results(session_dsn, hub, names)
    await eventually(lambda: _queues_are_empty(session_dsn, hub_name))


async def _shares(dsn: str, hub: str, counts: list[int]) -> bool:
    return sorted((await owners(dsn, hub)).values()) == counts


async def _lost_everything(dsn: str, hub: str, worker: Any) -> bool:
    found = await owners(dsn, hub)
    return worker not in found and sum(found.values()) == 8


class Heartbeats:
    """Counts how often the survivors renew: time as they see it, however little of a processor they get."""

    def __init__(self, dsn: str, hub: str, doomed: Any) -> None:
        self.seen: set[Any] = set()
        self._dsn, self._hub, self._doomed = dsn, hub, doomed

    async def count_until_all_is_lost(self) -> bool:
        """Note the survivors' last renewals; True once nothing is the doomed worker's any more."""
        lost = await _lost_everything(self._dsn, self._hub, self._doomed)
        if not lost:
            async with await psycopg.AsyncConnection.connect(self._dsn) as connection:
                query = "SELECT expires_at FROM durable.workers WHERE hub = %s AND worker <> %s"
                cursor = await connection.execute(query, (self._hub, self._doomed))
                self.seen.update(row[0] for row in await cursor.fetchall())
        return lost


def _waited_for_processors_s() -> float:
    """Seconds in which something on this machine waited for a processor; 0 where the kernel does not report it."""
    pressure = Path("/proc/pressure/cpu")
    return int(pressure.read_text().split("total=")[1].split()[0]) / 1e6 if pressure.exists() else 0.0


async def _some_finished(hub: DurableTaskHub, names: list[str]) -> bool:
    rows = [await hub.client.status(name) for name in names]
    return sum(row is not None and row.status == "Completed" for row in rows) >= 2
