"""What survives kill -9 of a worker, of PostgreSQL, and a worker that lost its lease without noticing."""

import asyncio
import random
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import psycopg
import pytest

from emulators.durable import DurableTaskHub, open_task_hub
from emulators.durable.client import HubUnavailableError
from emulators.durable.execution import Execution
from emulators.durable.history import EventRaised, TaskCompleted, TaskScheduled
from emulators.durable.records import Commit, record
from emulators.durable.session import LeaseLostError
from emulators.durable.turn import Turn, fail, opening
from emulators.durable.turn_commits import commit_turns
from emulators.processes.postgres import PostgresServer
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, client_input, decoded, finished, utc_now
from emulators.tests.durable.workload import JOURNAL, build, expected
from emulators.tests.support.waiting import eventually

_QUEUES = ("tasks", "timers", "inbox")


@asynccontextmanager
async def worker_process(dsn: str, hub: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in its own process; killed at the end if it still lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emulators.tests.durable.workload", dsn, hub, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.crash
async def test_killed_workers_change_no_result(session_dsn: str, open_hub: OpenHub, hub_name: str) -> None:
    chance = random.Random(20)
    names = [f"{hub_name}-{number}" for number in range(40)]
    await _prepare_journal(session_dsn)
    hub = await open_hub()
    for name in names:
        await hub.client.start("mixed", name, None)
    for _ in range(4):
        async with worker_process(session_dsn, hub_name) as process:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), chance.uniform(0.05, 0.4))
            process.kill()
    async with worker_process(session_dsn, hub_name):
        rows = [await finished(hub, name) for name in names]
    assert [decoded(row.output) for row in rows] == [expected(name) for name in names]
    await _assert_committed_runs_were_the_last(session_dsn, hub, rows)
    await eventually(lambda: _queues_are_empty(session_dsn, hub_name))


@pytest.mark.crash
async def test_killed_workers_leave_nothing_of_replaced_executions(
    session_dsn: str, open_hub: OpenHub, hub_name: str
) -> None:
    chance = random.Random(7)
    names = [f"{hub_name}-{number}" for number in range(8)]
    await _prepare_journal(session_dsn)
    hub = await open_hub(overridableExistingInstanceStates="AnyState")
    newest = dict.fromkeys(names, 0)
    for _ in range(2):
        async with worker_process(session_dsn, hub_name) as process:
            for _ in range(30):
                name = chance.choice(names)
                newest[name] += 1
                await hub.client.start("latest", name, client_input(newest[name]))
                await hub.client.send(name, EventRaised(utc_now(), "go", str(newest[name])))
            process.kill()
    async with worker_process(session_dsn, hub_name):
        rows = [await finished(hub, name) for name in names if newest[name]]
    assert [decoded(row.output) for row in rows] == [[number, number] for number in newest.values() if number]
    await eventually(lambda: _queues_are_empty(session_dsn, hub_name))
    assert await _executions_with_history(session_dsn, hub_name) == {row.execution_id for row in rows}


@pytest.mark.crash
async def test_killed_postgres_changes_no_result(tmp_path: Path) -> None:
    _open_to_postgres(tmp_path)
    server = PostgresServer.start(tmp_path / "server")
    runs: list[tuple[str, datetime]] = []

    async def note(label: str) -> int:
        runs.append((label, utc_now()))
        return len(runs)

    try:
        hub = await open_task_hub(server.create_database("crash"), "crashhub", {})
        await hub.start_worker(build(note))
        names = [f"i{number}" for number in range(25)]
        for name in names:
            await hub.client.start("mixed", name, None)
        for name in ("i2", "i12"):
            server = await _restart_abruptly(server, hub, name)
        rows = [await eventually(lambda name=name: _finished_or_none(hub, name)) for name in names]
        assert [decoded(row.output) for row in rows] == [expected(name) for name in names]
        for label, recorded_at in await _recorded_runs(hub, rows):
            assert not [began for ran, began in runs if ran == label and began > recorded_at]
        await hub.drain(1.0)
    finally:
        server.stop()


async def test_worker_without_its_lease_cannot_commit(
    session_dsn: str, hub_name: str, open_hub: OpenHub, app: AppInvoker
) -> None:
    release, slow_runs = app.gate(), []

    @app.activity
    async def slow(_: None) -> str:
        slow_runs.append("first")
        await release.wait()
        return "finished under the next lease"

    @app.orchestrator
    def one(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("slow", None))

    hub = await open_hub(app)
    await hub.client.start("one", "o", None)
    await eventually(lambda: slow_runs)
    session = hub._worker.session
    async with await psycopg.AsyncConnection.connect(session_dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE durable.leases SET owner = %s, epoch = epoch + 1 WHERE hub = %s", (str(uuid.uuid4()), hub_name)
        )
        stored = await _chunks(connection, hub_name)
        late = Commit(session._actors.of("o").partition, session._epochs[session._actors.of("o").partition])
        record(late, session._actors.of("o").execution, _forged_turn(session._actors.of("o").execution), 8)
        with pytest.raises(LeaseLostError, match="taken over by another worker"):
            await commit_turns(session._commits, session._worker, [late])
        assert await _chunks(connection, hub_name) == stored
    release.set()
    row = await finished(hub, "o")
    history = await hub.client.history(row.execution_id)
    assert decoded(row.output) == "finished under the next lease"
    assert len([event for event in history if isinstance(event, TaskCompleted)]) == 1


def _forged_turn(execution: Execution) -> Turn:
    return fail(execution, opening(execution, (), utc_now()), "written without a lease")


async def test_two_workers_share_and_inherit_partitions(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity_named("echo", lambda value: value)

    @app.orchestrator
    def one(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("echo", context.instance_id))

    first = await open_hub(app)
    await eventually(lambda: len(_held(first)) == 8)
    second = await open_hub(app)
    await eventually(lambda: len(_held(first)) == 4 and len(_held(second)) == 4)
    assert not _held(first) & _held(second)
    for number in range(20):
        await second.client.start("one", f"n{number}", None)
    for number in range(20):
        assert decoded((await finished(second, f"n{number}")).output) == f"n{number}"
    await first.drain(1.0)
    await eventually(lambda: len(_held(second)) == 8)


async def test_running_activity_outlives_the_database_connection(
    session_dsn: str, open_hub: OpenHub, app: AppInvoker
) -> None:
    release = app.gate()

    @app.activity
    async def slow(_: None) -> str:
        await release.wait()
        return "done once"

    @app.orchestrator
    def one(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("slow", None))

    hub = await open_hub(app)
    await hub.client.start("one", "o", None)
    await eventually(lambda: app.calls)
    session = hub._worker.session
    await _cut_connections(session_dsn)
    await eventually(lambda: hub._worker.session not in {None, session})
    release.set()
    assert decoded((await finished(hub, "o")).output) == "done once"
    assert len(app.calls) == 1


async def test_clients_get_an_error_while_postgres_is_away(tmp_path: Path) -> None:
    _open_to_postgres(tmp_path)
    server = PostgresServer.start(tmp_path / "server", fsync=False)
    dsn = server.create_database("away")
    hub = await open_task_hub(dsn, "awayhub", {})
    try:
        server.stop()
        with pytest.raises(HubUnavailableError):
            await hub.client.start("one", "o", None)
        with pytest.raises(HubUnavailableError):
            await hub.client.status("o")
    finally:
        await hub.drain(0.1)
        server.stop()


def _held(hub: DurableTaskHub) -> set[int]:
    worker = hub._worker
    return set(worker.session._epochs) if worker is not None and worker.session is not None else set()


async def _prepare_journal(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(JOURNAL)


def _open_to_postgres(folder: Path) -> None:
    """Let the unprivileged server into pytest's folders."""
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(0o755)


async def _restart_abruptly(server: PostgresServer, hub: DurableTaskHub, name: str) -> PostgresServer:
    """kill -9 the server once the instance is under way, then start it again on the same port."""
    await eventually(lambda: _is_under_way(hub, name))
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    return await asyncio.to_thread(PostgresServer.start, server.folder, server.port)


async def _is_under_way(hub: DurableTaskHub, name: str) -> bool:
    try:
        row = await hub.client.status(name)
    except HubUnavailableError:
        return False
    return row is not None and row.status != "Pending"


async def _finished_or_none(hub: DurableTaskHub, name: str) -> Any:
    try:
        row = await hub.client.status(name)
    except HubUnavailableError:
        return None
    return row if row is not None and row.status in {"Completed", "Failed"} else None


async def _recorded_runs(hub: DurableTaskHub, rows: list[Any]) -> list[tuple[str, datetime]]:
    """Label and time of each run of `work` whose outcome is in a history."""
    found = []
    for row in rows:
        history = await hub.client.history(row.execution_id)
        names = {event.seq: event.name for event in history if isinstance(event, TaskScheduled)}
        found += [
            (decoded(event.result)[0], event.timestamp)
            for event in history
            if isinstance(event, TaskCompleted) and names[event.task_id] == "work"
        ]
    return found


async def _assert_committed_runs_were_the_last(dsn: str, hub: DurableTaskHub, rows: list[Any]) -> None:
    """No activity began again after an outcome of it that is in a history."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for label, recorded_at in await _recorded_runs(hub, rows):
            cursor = await connection.execute(
                "SELECT run FROM journal WHERE label = %s AND began_at > %s", (label, recorded_at)
            )
            assert await cursor.fetchall() == [], f"{label} ran again after its outcome was recorded"


async def _executions_with_history(dsn: str, hub: str) -> set[uuid.UUID]:
    """All executions whose history is stored, of instances whose ids begin with the hub's name."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(
            "SELECT execution_id FROM durable.history WHERE events::text LIKE %s", (f'%"InstanceId":"{hub}-%',)
        )
        return {row[0] for row in await cursor.fetchall()}


async def _queues_are_empty(dsn: str, hub: str) -> bool:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for table in _QUEUES:
            cursor = await connection.execute(
                psycopg.sql.SQL("SELECT count(*) FROM durable.{} WHERE hub = %s").format(psycopg.sql.Identifier(table)),
                (hub,),
            )
            if await cursor.fetchone() != (0,):
                return False
    return True


async def _chunks(connection: psycopg.AsyncConnection[Any], hub: str) -> int:
    cursor = await connection.execute(
        "SELECT count(*) FROM durable.history JOIN durable.instances USING (execution_id) WHERE hub = %s", (hub,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def _cut_connections(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
