"""A workload for crash tests, and a process that runs it: `python -m emulators.tests.durable.workload DSN HUB`.

Every activity run is journaled in its own transaction, so a test can see which runs happened when.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import psycopg

from emulators.durable import open_task_hub
from emulators.tests.durable.support import AppInvoker

JOURNAL = """
CREATE TABLE IF NOT EXISTS journal (
    run bigint GENERATED ALWAYS AS IDENTITY, label text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


type Journal = Callable[[str], Awaitable[int]]


def database_journal(dsn: str) -> Journal:
    """Notes each run in a table, in a transaction of its own; returns the run's number."""

    async def note(label: str) -> int:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            cursor = await connection.execute("INSERT INTO journal (label) VALUES (%s) RETURNING run", (label,))
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    return note


def build(journal: Journal) -> AppInvoker:
    """The app; `expected` says what each instance of `mixed` must return."""
    app = AppInvoker(keeps_notes=False)

    @app.activity
    async def work(label: str) -> list[Any]:
        return [label, await journal(label)]

    @app.activity
    def refuse(label: str) -> None:
        raise ValueError(label)

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        label, _ = yield context.call_activity("work", f"{context.get_input()}/child")
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=5))
        return label

    @app.orchestrator
    def mixed(context: df.DurableOrchestrationContext) -> Any:
        name = context.instance_id
        first, _ = yield context.call_activity("work", f"{name}/chain0")
        second, _ = yield context.call_activity("work", f"{name}/chain1")
        labels: list[Any] = [first, second]
        fan = yield context.task_all([context.call_activity("work", f"{name}/fan{n}") for n in range(3)])
        labels += [label for label, _ in fan]
        retry = df.RetryOptions(2, 2)
        refused = context.call_activity_with_retry("refuse", retry, name)
        labels.append((yield context.call_sub_orchestrator("child", name)))
        try:
            yield refused
        except Exception as error:  # noqa: BLE001 - all that the SDK raises
            labels.append("ValueError" in str(error))
        labels.append((yield context.call_activity("work", f"{name}/last"))[0])
        return labels

    @app.orchestrator
    def latest(context: df.DurableOrchestrationContext) -> Any:
        number = context.get_input()
        yield context.call_activity("work", f"{context.instance_id}/{number}")
        return [number, (yield context.wait_for_external_event("go"))]

    @app.orchestrator
    def patient(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("go"))

    _add_counting(app)
    return app


def _add_counting(app: AppInvoker) -> None:
    """`count` adds eleven to one shared counter, in six operations."""

    @app.entity
    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + context.get_input())
        context.set_result(context.get_state())

    @app.orchestrator
    def count(context: df.DurableOrchestrationContext) -> Any:
        shared = df.EntityId("counter", "shared")
        context.signal_entity(shared, "add", 1)
        sums = []
        for _ in range(5):
            total = yield context.call_entity(shared, "add", 2)
            sums.append(total)
        return sums


def expected(name: str) -> list[Any]:
    """What `mixed` returns without any crash."""
    parts = ["chain0", "chain1", "fan0", "fan1", "fan2", "child"]
    return [*(f"{name}/{part}" for part in parts), True, f"{name}/last"]


async def main(dsn: str, hub_name: str) -> None:
    """Work until killed."""
    hub = await open_task_hub(dsn, hub_name, {})
    await hub.start_worker(build(database_journal(dsn)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
