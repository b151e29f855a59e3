"""Instances that are suspended, resumed and terminated, through the unmodified SDK."""

from typing import Any

import azure.durable_functions as df

from emulators.durable.history import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
)
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, decoded, finished
from emulators.tests.durable.support import utc_now as now
from emulators.tests.support.waiting import eventually


def add_one(number: int) -> int:
    return number + 1


async def test_events_wait_while_suspended_and_drain(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def collect(context: df.DurableOrchestrationContext) -> Any:
        got = yield context.task_all([context.wait_for_external_event(f"e{n}") for n in range(3)])
        extra = yield context.call_activity("add_one", 1)
        return [*got, extra]

    hub = await open_hub(app)
    await hub.client.start("collect", "c", None)
    await eventually(lambda: app.turns.get("c"))
    await hub.client.send("c", ExecutionSuspended(now(), "pause"))
    await eventually(lambda: _has_status(hub, "c", "Suspended"))
    for number in range(3):
        assert await hub.client.send("c", EventRaised(now(), f"e{number}", str(number))) == "Suspended"
    turns = app.turns["c"]
    await hub.client.send("c", ExecutionResumed(now(), "go on"))
    row = await finished(hub, "c")
    assert decoded(row.output) == [0, 1, 2, 2]
    assert app.turns["c"] <= turns + 3


async def test_activity_finishing_while_suspended_is_kept(open_hub: OpenHub, app: AppInvoker) -> None:
    release = app.gate()

    @app.activity
    async def slow(number: int) -> int:
        await release.wait()
        return number * 2

    @app.orchestrator
    def one(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("slow", 21))

    hub = await open_hub(app)
    await hub.client.start("one", "o", None)
    await eventually(lambda: app.calls)
    await hub.client.send("o", ExecutionSuspended(now(), ""))
    await eventually(lambda: _has_status(hub, "o", "Suspended"))
    release.set()
    await eventually(lambda: _no_tasks(hub))
    await hub.client.send("o", ExecutionResumed(now(), ""))
    assert decoded((await finished(hub, "o")).output) == 42
    assert len(app.calls) == 1


async def test_terminate_ends_even_a_suspended_instance(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def forever(context: df.DurableOrchestrationContext) -> Any:
        yield context.wait_for_external_event("never")

    hub = await open_hub(app)
    await hub.client.start("forever", "f", None)
    await hub.client.send("f", ExecutionSuspended(now(), ""))
    await eventually(lambda: _has_status(hub, "f", "Suspended"))
    await hub.client.send("f", ExecutionTerminated(now(), "enough"))
    row = await finished(hub, "f")
    assert (row.status, decoded(row.output)) == ("Terminated", "enough")
    assert await hub.client.send("f", EventRaised(now(), "never", None)) == "Terminated"


async def _has_status(hub: Any, instance_id: str, status: str) -> bool:
    row = await hub.client.status(instance_id)
    return row is not None and row.status == status


async def _no_tasks(hub: Any) -> bool:
    async with hub.client._store() as store:
        cursor = await store.connection.execute("SELECT 1 FROM durable.tasks WHERE hub = %s", (store.hub,))
        return await cursor.fetchone() is None
