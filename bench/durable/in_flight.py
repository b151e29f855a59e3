"""Many orchestrations in flight at once: starts/s, finishes/s, and the memory of the one worker that holds them.

`python -m bench.durable.in_flight DSN` is that worker, in a process of its own, so that its memory is its own.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg

from bench.durable.hub import HUB, working_hub
from emulators.durable import open_task_hub
from emulators.durable.history import EventRaised
from emulators.processes.postgres import PostgresServer

_APP = Path(__file__).parent / "app"
_PATIENCE_S = 300.0


async def measure(instances: int) -> dict[str, float]:
    """Start them all, let them wait, let them all finish. Raises TimeoutError."""
    ids = [f"waiting-{number}" for number in range(instances)]
    with TemporaryDirectory(prefix="bench-in-flight-") as folder:
        server = PostgresServer.start(Path(folder) / "postgres")
        try:
            dsn = server.create_database("durable")
            async with _worker_process(dsn) as worker:
                return await _drive(dsn, ids, worker)
        finally:
            server.stop()


async def _drive(dsn: str, ids: Sequence[str], worker: psutil.Process) -> dict[str, float]:
    hub = await open_task_hub(dsn, HUB, {})
    try:
        started_s = await _until(dsn, "Running", len(ids), (hub.client.start("patient", each, None) for each in ids))
        go = EventRaised(datetime.now(UTC), "go", "1")
        finished_s = await _until(dsn, "Completed", len(ids), (hub.client.send(each, go) for each in ids))
    finally:
        await hub.drain(5)
    used = worker.cpu_times()
    return {
        "instances": len(ids),
        "starts_per_s": round(len(ids) / started_s),
        "finishes_per_s": round(len(ids) / finished_s),
        "worker_cpu_ms_each": round((used.user + used.system) * 1000 / len(ids), 2),
        "worker_peak_mb": _peak_mb(worker.pid),
    }


async def _until(dsn: str, status: str, many: int, calls: Iterable[Awaitable[Any]]) -> float:
    """Make the calls at once and wait until so many instances have the status; seconds."""
    query = "SELECT count(*) FROM durable.instances WHERE status = %s"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        began = time.perf_counter()
        await asyncio.gather(*calls)
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                cursor = await connection.execute(query, (status,))
                if await cursor.fetchone() == (many,):
                    return time.perf_counter() - began
                await asyncio.sleep(0.05)


@asynccontextmanager
async def _worker_process(dsn: str) -> AsyncIterator[psutil.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.durable.in_flight", dsn, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _peak_mb(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return round(int(line.split()[1]) / 1024)


async def _work(dsn: str) -> None:
    async with working_hub(dsn, _APP):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
