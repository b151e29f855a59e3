"""The durable engines under one face: ours on PostgreSQL, `dbos` on the same server, `durabletask` in memory.

Ours runs as in the Functions host: Microsoft's worker library, the unmodified Durable SDK, the task hub. All run
in this one process, as `dbos` applications do; each is idle while another is measured.
"""

# mypy: disallow-untyped-decorators=False
# The decorators of `dbos` are not seen with their types.
import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psycopg
from dbos import DBOS, SetWorkflowID
from durabletask import client as durabletask_client
from durabletask import worker as durabletask_worker
from durabletask.testing import create_test_backend

from bench import steps
from bench.durable.hub import working_hub
from emulators.durable import DurableTaskHub
from emulators.durable.history import EventRaised
from emulators.processes.postgres import PostgresServer, free_port

_APP = Path(__file__).parent / "app"
_PATIENCE_S = 120.0
_POLL_S = 0.01


class Engine(Protocol):
    """Starts workflows, sends them the exchange's answer, waits for all of them."""

    name: str

    async def run(self, workflow: str, ids: Sequence[str]) -> float:
        """Start them all at once and wait until all have completed; seconds."""

    async def answer(self, instance_id: str) -> None:
        """The exchange has answered."""


class Ours:
    """The task hub, with its worker in this process."""

    name = "ours"

    def __init__(self, hub: DurableTaskHub, observer: psycopg.AsyncConnection[Any]) -> None:
        self._hub = hub
        self._observer = observer

    async def run(self, workflow: str, ids: Sequence[str]) -> float:
        started = time.perf_counter()
        await asyncio.gather(*(self._hub.client.start(workflow, each, _input(each)) for each in ids))
        pause_s = _POLL_S if len(ids) > 1 else 0.002
        while not await _all_completed(self._observer, ids):
            if time.perf_counter() - started > _PATIENCE_S:
                raise TimeoutError(f"{workflow} did not complete")
            await asyncio.sleep(pause_s)
        return time.perf_counter() - started

    async def answer(self, instance_id: str) -> None:
        await self._hub.client.send(instance_id, EventRaised(datetime.now(UTC), "answered", "true"))


class Dbos:
    """`dbos` as its guide shows it: asynchronous workflows and steps."""

    name = "dbos"

    async def run(self, workflow: str, ids: Sequence[str]) -> float:
        function = {"chain": _dbos_chain, "order_saga": _dbos_order_saga}[workflow]
        started = time.perf_counter()

        async def one(instance_id: str) -> None:
            with SetWorkflowID(instance_id):
                handle = await DBOS.start_workflow_async(function, instance_id)
            await handle.get_result(polling_interval_sec=0.01)

        await asyncio.gather(*(one(each) for each in ids))
        return time.perf_counter() - started

    async def answer(self, instance_id: str) -> None:
        await DBOS.send_async(instance_id, True, "answered")


class InMemory:
    """`durabletask` with its own in-memory backend: nothing is durable there."""

    name = "durabletask"

    def __init__(self, client: durabletask_client.TaskHubGrpcClient) -> None:
        self._client = client

    async def run(self, workflow: str, ids: Sequence[str]) -> float:
        assert workflow == "chain", "only the chain runs there"
        return await asyncio.to_thread(self._run, ids)

    async def answer(self, instance_id: str) -> None:
        raise NotImplementedError("only the chain runs there")

    def _run(self, ids: Sequence[str]) -> float:
        started = time.perf_counter()
        for each in ids:
            self._client.schedule_new_orchestration(_plain_chain, instance_id=each)
        for each in ids:
            self._client.wait_for_orchestration_completion(each, timeout=int(_PATIENCE_S))
        return time.perf_counter() - started


@asynccontextmanager
async def engines() -> AsyncIterator[dict[str, Engine]]:
    """All three, on a PostgreSQL server of their own, with commits that wait for the disk."""
    with TemporaryDirectory(prefix="bench-engines-") as folder:
        # In this thread: the server ends with the thread that started it, and `dbos` replaces the loop's executor.
        server = PostgresServer.start(Path(folder) / "postgres")
        try:
            for database in ("durable", "dbos", "steps"):
                server.create_database(database)
            submitted = await steps.open_steps(server.dsn("steps"))
            async with _ours(server.dsn("durable")) as ours, _dbos(server.dsn("dbos")) as dbos, _in_memory() as third:
                exchange = asyncio.create_task(_play_exchange(submitted, {"ours": ours, "dbos": dbos}))
                try:
                    yield {"ours": ours, "dbos": dbos, "durabletask": third}
                finally:
                    exchange.cancel()
                    await asyncio.gather(exchange, return_exceptions=True)
                    await steps.close_steps()
        finally:
            server.stop()


@asynccontextmanager
async def _ours(dsn: str) -> AsyncIterator[Engine]:
    async with (
        working_hub(dsn, _APP) as hub,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as observer,
    ):
        yield Ours(hub, observer)


@asynccontextmanager
async def _dbos(dsn: str) -> AsyncIterator[Engine]:
    DBOS(config={"name": "bench", "system_database_url": dsn, "log_level": "WARNING"})
    await asyncio.to_thread(DBOS.launch)
    try:
        yield Dbos()
    finally:
        await asyncio.to_thread(DBOS.destroy)


@asynccontextmanager
async def _in_memory() -> AsyncIterator[Engine]:
    port = free_port()
    logging.getLogger("durabletask-worker").setLevel(logging.WARNING)
    backend = create_test_backend(port)
    address = f"localhost:{port}"
    runner = durabletask_worker.TaskHubGrpcWorker(host_address=address)
    runner.add_orchestrator(_plain_chain)
    runner.add_activity(_plain_add_one)
    await asyncio.to_thread(runner.start)
    try:
        yield InMemory(durabletask_client.TaskHubGrpcClient(host_address=address))
    finally:
        await asyncio.to_thread(runner.stop)
        await asyncio.to_thread(backend.stop)


async def _play_exchange(submitted: asyncio.Queue[str], players: dict[str, Engine]) -> None:
    """Answers every saga at once; ids begin with their engine's name."""
    answering: set[asyncio.Task[None]] = set()
    while True:
        instance_id = await submitted.get()
        task = asyncio.create_task(players[instance_id.partition("-")[0]].answer(instance_id))
        answering.add(task)
        task.add_done_callback(answering.discard)


async def _all_completed(connection: psycopg.AsyncConnection[Any], ids: Sequence[str]) -> bool:
    cursor = await connection.execute(
        "SELECT count(*) FROM durable.instances WHERE instance_id = ANY(%s) AND status = 'Completed'", (list(ids),)
    )
    row = await cursor.fetchone()
    return row is not None and row[0] == len(ids)


def _input(instance_id: str) -> str:
    return json.dumps(json.dumps({"id": instance_id}))


# --- the same workflows for the others -----------------------------------------------------------------------


@DBOS.step()
async def _dbos_add_one(value: int) -> int:
    return value + 1


@DBOS.workflow()
async def _dbos_chain(_instance_id: str) -> int:
    value = 0
    for _ in range(3):
        value = await _dbos_add_one(value)
    return value


@DBOS.step(retries_allowed=True, max_attempts=20, interval_seconds=0.5)
async def _dbos_reserve(saga_id: str) -> int:
    return await steps.reserve(saga_id)


@DBOS.step(retries_allowed=True, max_attempts=20, interval_seconds=0.5)
async def _dbos_submit(saga_id: str) -> int:
    return await steps.submit(saga_id)


@DBOS.step(retries_allowed=True, max_attempts=20, interval_seconds=0.5)
async def _dbos_confirm(saga_id: str) -> int:
    return await steps.confirm(saga_id)


@DBOS.workflow()
async def _dbos_order_saga(saga_id: str) -> int:
    await _dbos_reserve(saga_id)
    await _dbos_submit(saga_id)
    await DBOS.recv_async("answered", timeout_seconds=30)
    confirmed: int = await _dbos_confirm(saga_id)
    return confirmed


def _plain_chain(context: Any, _input: Any) -> Any:
    value = 0
    for _ in range(3):
        value = yield context.call_activity(_plain_add_one, input=value)
    return value


def _plain_add_one(_context: Any, value: int) -> int:
    return value + 1
