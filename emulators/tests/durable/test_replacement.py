"""`overridableExistingInstanceStates: AnyState`: a start takes a live instance's place, whatever runs at that moment.

Each test holds one part of the engine at a gate, so that the interleaving which it is about always happens.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import psycopg
import pytest

from emulators.durable import DurableTaskHub
from emulators.durable.history import EventRaised, ExecutionStarted, ExecutionTerminated
from emulators.durable.records import Incoming
from emulators.durable.session import Session
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, client_input, decoded, finished, utc_now
from emulators.tests.support.waiting import eventually

ANY_STATE = {"overridableExistingInstanceStates": "AnyState"}


class Gate:
    """Holds calls of what passes through it until it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self._open = asyncio.Event()

    def before(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The function, behind the gate."""

        async def held(*arguments: Any, **named: Any) -> Any:
            self.waiting += 1
            await self._open.wait()
            return await function(*arguments, **named)

        return held

    def open(self) -> None:
        """Let everything through from now on."""
        self._open.set()


@pytest.fixture
async def hub(open_hub: OpenHub, app: AppInvoker) -> AsyncIterator[DurableTaskHub]:
    """A hub with a worker for `wait`, which returns its input and the event `go`, and `fan`, which spreads at `go`."""
    app.activity_named("work", lambda value: value)

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        return [context.get_input(), (yield context.wait_for_external_event("go"))]

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return context.get_input()
        yield

    @app.orchestrator
    def fan(context: df.DurableOrchestrationContext) -> Any:
        number = context.get_input()
        yield context.wait_for_external_event("go")
        soon = context.current_utc_datetime + timedelta(milliseconds=20)
        activity = context.call_activity("work", number)
        kept = context.call_sub_orchestrator("child", number, f"{context.instance_id}-child-of-{number}")
        done = yield context.task_all([activity, kept, context.create_timer(soon)])
        return done[:2]

    return await open_hub(app, **ANY_STATE)


async def start(hub: DurableTaskHub, number: int, name: str = "wait") -> uuid.UUID:
    """Start (again) the instance `w`; the id of the execution that is in the table then."""
    await hub.client.start(name, "w", client_input(number))
    row = await hub.client.status("w")
    assert row is not None
    return row.execution_id


async def waiting(hub: DurableTaskHub, number: int, name: str = "wait") -> uuid.UUID:
    """Start the instance `w` and let it come to its first wait."""
    execution_id = await start(hub, number, name)
    await eventually(lambda: _has_status(hub, "w", "Running"))
    return execution_id


async def say(hub: DurableTaskHub, word: str = "now") -> None:
    await hub.client.send("w", EventRaised(utc_now(), "go", f'"{word}"'))


async def session_of(hub: DurableTaskHub) -> Session:
    """The session of the hub's worker, once it delivers this process's messages past the table."""
    worker = hub._worker
    assert worker is not None
    session = await eventually(lambda: worker.session)
    assert session is not None
    await eventually(lambda: not session.mailbox._behind)
    return session


async def test_start_during_a_replacement_replaces_again(hub: DurableTaskHub, monkeypatch: pytest.MonkeyPatch) -> None:
    await waiting(hub, 1)
    session, gate = await session_of(hub), Gate()
    monkeypatch.setattr(session._commits, "commit", gate.before(session._commits.commit))
    monkeypatch.setattr(session._reads, "rows", gate.before(session._reads.rows))
    await start(hub, 2)
    await eventually(lambda: gate.waiting)
    await start(hub, 3)
    gate.open()
    await say(hub)
    assert decoded((await finished(hub, "w")).output) == [3, "now"]


async def test_event_for_the_newest_overtakes_its_start(
    hub: DurableTaskHub, open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(hub, 1)
    elsewhere, session, gate = await open_hub(**ANY_STATE), await session_of(hub), Gate()
    monkeypatch.setattr(session.mailbox, "_page", gate.before(session.mailbox._page))
    await start(elsewhere, 2)
    await eventually(lambda: gate.waiting)
    await say(hub)  # delivered at once by the process that owns the instance; its start is still in the table
    await eventually(lambda: not session._drives)
    gate.open()
    assert decoded((await finished(hub, "w")).output) == [2, "now"]


async def test_start_that_comes_while_its_instance_is_read_is_seen(
    hub: DurableTaskHub, open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, session = await open_hub(**ANY_STATE), await session_of(hub)
    sweep, read = Gate(), Gate()
    monkeypatch.setattr(session.mailbox, "_page", sweep.before(session.mailbox._page))
    monkeypatch.setattr(session._reads, "rows", read.before(session._reads.rows))
    await start(elsewhere, 1)
    await eventually(lambda: sweep.waiting)
    await say(hub)
    await eventually(lambda: read.waiting)
    sweep.open()
    await eventually(lambda: len(session._actors.of("w").pending) == 2)
    read.open()
    assert decoded((await finished(hub, "w")).output) == [1, "now"]


async def test_termination_of_the_replaced_spares_the_newest(
    hub: DurableTaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(hub, 1)
    session, gate = await session_of(hub), Gate()
    monkeypatch.setattr(session._reads, "rows", gate.before(session._reads.rows))
    monkeypatch.setattr(session._commits, "commit", gate.before(session._commits.commit))
    await hub.client.send("w", EventRaised(utc_now(), "other", "1"))
    await eventually(lambda: gate.waiting)
    await hub.client.send("w", ExecutionTerminated(utc_now(), "enough"))
    await start(hub, 2)
    gate.open()
    await say(hub)
    assert decoded((await finished(hub, "w")).output) == [2, "now"]


async def test_late_commit_of_the_replaced_changes_nothing(
    hub: DurableTaskHub, app: AppInvoker, session_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = await waiting(hub, 1, "fan")
    session, gate = await session_of(hub), Gate()
    monkeypatch.setattr(session._commits, "commit", gate.before(session._commits.commit))
    await say(hub)
    await eventually(lambda: gate.waiting)
    await start(hub, 2, "fan")
    gate.open()
    await eventually(lambda: _has_status(hub, "w", "Running"))
    await say(hub)
    assert decoded((await finished(hub, "w")).output) == [2, 2]
    assert app.calls == [("work", 2)]
    assert await hub.client.status("w-child-of-1") is None
    assert not await _left_of(session_dsn, replaced)


async def test_queued_activities_of_the_replaced_never_begin(open_hub: OpenHub, app: AppInvoker) -> None:
    release = app.gate()

    @app.activity
    async def slow(value: int) -> int:
        await release.wait()
        return value

    @app.orchestrator
    def one(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.task_all([context.call_activity("slow", context.get_input() + n) for n in range(2)]))

    hub = await open_hub(app, maxConcurrentActivityFunctions=1, **ANY_STATE)
    await start(hub, 10, "one")
    await eventually(lambda: app.calls)
    await start(hub, 20, "one")
    await eventually(lambda: app.turns["w"] == 2)
    release.set()
    assert decoded((await finished(hub, "w")).output) == [20, 21]
    assert [value for _, value in app.calls] == [10, 20, 21]


async def test_execution_replaced_while_nobody_works_is_gone(
    open_hub: OpenHub, hub: DurableTaskHub, app: AppInvoker, session_dsn: str
) -> None:
    release = app.gate()

    @app.activity
    async def slow(value: int) -> int:
        await release.wait()
        return value

    @app.orchestrator
    def one(context: df.DurableOrchestrationContext) -> Any:
        later = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([later, context.call_activity("slow", context.get_input())])
        later.cancel()
        return context.get_input()

    worker = await open_hub(app, **ANY_STATE)
    await hub.drain(1.0)
    replaced = await start(worker, 1, "one")
    await eventually(lambda: app.calls)
    await worker.drain(0.1)
    client = await open_hub(**ANY_STATE)
    await say(client, "for the replaced one")
    await start(client, 2, "one")
    assert not await _left_of(session_dsn, replaced)
    release.set()
    again = await open_hub(app, **ANY_STATE)
    assert decoded((await finished(again, "w")).output) == 2
    assert [value for _, value in app.calls] == [1, 2]
    assert not await _left_of(session_dsn, replaced)


@pytest.mark.parametrize("answered", [True, False], ids=["after the end", "while the newest runs"])
async def test_start_that_was_replaced_long_ago_changes_nothing(
    hub: DurableTaskHub, session_dsn: str, *, answered: bool
) -> None:
    newest = await waiting(hub, 3)
    if answered:
        await say(hub)
        await finished(hub, "w")
    late = str(uuid.uuid4())
    begun = ExecutionStarted(utc_now(), "wait", None, client_input(2), "w", late)
    session = await session_of(hub)
    session.deliver("w", Incoming(begun, late, uuid.uuid4()))
    await eventually(lambda: not session._drives)
    if not answered:
        await say(hub)
    row = await finished(hub, "w")
    assert (row.execution_id, decoded(row.output)) == (newest, [3, "now"])
    assert not await _left_of(session_dsn, late)


async def test_event_left_over_never_reaches_the_next_start(hub: DurableTaskHub, open_hub: OpenHub) -> None:
    await waiting(hub, 1)
    await hub.drain(1.0)
    client = await open_hub(**ANY_STATE)
    await say(client, "for the first")
    await start(client, 2)
    await say(client, "for the second")
    await say(client, "too much")
    app = AppInvoker()

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        return [context.get_input(), (yield context.wait_for_external_event("go"))]

    worker = await open_hub(app, **ANY_STATE)
    assert decoded((await finished(worker, "w")).output) == [2, "for the second"]


async def _has_status(hub: DurableTaskHub, instance_id: str, status: str) -> bool:
    row = await hub.client.status(instance_id)
    return row is not None and row.status == status


async def _left_of(dsn: str, execution_id: object) -> dict[str, int]:
    """Rows of an execution, by table."""
    found: dict[str, int] = {}
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for table in ("history", "tasks", "timers", "inbox"):
            query = psycopg.sql.SQL("SELECT count(*) FROM durable.{} WHERE execution_id = %s")
            cursor = await connection.execute(query.format(psycopg.sql.Identifier(table)), (execution_id,))
            [count] = await cursor.fetchone() or [0]
            found |= {table: count} if count else {}
    return found
