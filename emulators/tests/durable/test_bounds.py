"""Memory is bounded: what does not fit stays in the tables, and nothing is lost, repeated or overtaken."""

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from emulators.durable import intake, mailbox
from emulators.durable.activities import ActivityCall, ActivityRunner
from emulators.durable.entities import EntityId
from emulators.durable.history import EventRaised, ExecutionResumed, ExecutionSuspended
from emulators.durable.records import Incoming
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, decoded, finished, utc_now
from emulators.tests.support.waiting import eventually


async def test_activities_beyond_capacity_wait_in_the_table(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity_named("echo", lambda value: value)

    @app.orchestrator
    def fan(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.task_all([context.call_activity("echo", n) for n in range(100)]))

    hub = await open_hub(app)
    assert hub._worker is not None
    runner = hub._worker._runner
    runner.capacity = 8
    await hub.client.start("fan", "f", None)
    assert decoded((await finished(hub, "f")).output) == list(range(100))
    assert len(app.calls) == 100
    assert not runner._calls


async def test_refill_skips_what_was_completed_meanwhile(app: AppInvoker) -> None:
    app.activity_named("echo", lambda value: value)
    runner = ActivityRunner(app, 1)
    call = ActivityCall(0, "i", "e", 0, "echo", "1")
    runner.begin_refill()
    runner.forget([call.key])
    runner.refill([call], complete=True)
    assert not runner._calls
    assert not app.calls


async def test_timers_are_read_in_pages(open_hub: OpenHub, app: AppInvoker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_TIMER_PAGE", 3)

    @app.orchestrator
    def sleep(context: df.DurableOrchestrationContext) -> Any:
        at = context.current_utc_datetime
        yield context.task_all([context.create_timer(at + timedelta(milliseconds=700 + n // 5)) for n in range(20)])
        return "awake"

    first = await open_hub(app)
    await first.client.start("sleep", "s", None)
    await eventually(lambda: app.turns)
    await first.drain(1.0)
    second = await open_hub(app)
    assert decoded((await finished(second, "s")).output) == "awake"


async def test_messages_never_overtake_those_that_wait_in_the_table(
    open_hub: OpenHub, app: AppInvoker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "_MOST_KNOWN", 10)
    monkeypatch.setattr(mailbox, "_PAGE", 4)
    seen: list[int] = []

    @app.entity
    def log(context: df.DurableEntityContext) -> None:
        seen.append(context.get_input())

    hub = await open_hub()
    for number in range(60):
        await hub.client.signal(EntityId.of("log", "k"), "note", json.dumps(json.dumps(number)))
    worker = await open_hub(app)
    for number in range(60, 120):
        await worker.client.signal(EntityId.of("log", "k"), "note", json.dumps(json.dumps(number)))
    await eventually(lambda: len(seen) == 120)
    assert seen == list(range(120))


async def test_mailbox_reserves_only_once_it_has_caught_up() -> None:
    post = mailbox.Mailbox(None, [0], lambda *_: None)  # type: ignore[arg-type]
    letter = _letter("{}")
    post.reserve([letter])
    assert not post.claim(letter.message)
    post._behind = False
    post.reserve([letter])
    assert post.claim(letter.message)
    assert not post.claim(letter.message)


async def test_mailbox_delivers_nothing_past_what_it_must_still_sweep() -> None:
    delivered: list[Any] = []
    pages: asyncio.Queue[list[Any]] = asyncio.Queue()
    post = mailbox.Mailbox(None, [0], lambda *given: delivered.append(given))  # type: ignore[arg-type]
    post._page = lambda _: pages.get()  # type: ignore[method-assign]
    older, newer = _letter(), _letter()
    sweeping = asyncio.create_task(post._sweep())
    await asyncio.sleep(0)
    post.reserve([older])  # while the first sweep reads
    pages.put_nowait([])
    await sweeping
    assert not post.claim(older.message)  # it is in the table now, and no sweep has begun since
    post.reserve([newer])
    assert not post.claim(newer.message)
    pages.put_nowait([])
    await post._sweep()
    post.reserve([newer])
    assert post.claim(newer.message)


async def test_suspended_instance_with_heavy_messages_stops_nobody(
    open_hub: OpenHub, app: AppInvoker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "_MOST_WEIGHT", 300_000)
    monkeypatch.setattr(mailbox, "_PAGE_BYTES", 150_000)
    monkeypatch.setattr(mailbox, "_SWEEP_S", 0.1)

    @app.orchestrator
    def gather(context: df.DurableOrchestrationContext) -> Any:
        parts = []
        for _ in range(10):
            part = yield context.wait_for_external_event("part")
            parts.append(part[:1])
        return "".join(parts)

    hub = await open_hub(app)
    await hub.client.start("gather", "s", None)
    await hub.client.send("s", ExecutionSuspended(utc_now(), "wait"))
    await eventually(lambda: _is_suspended(hub, "s"))
    for letter in "abcdefghij":
        await hub.client.send("s", EventRaised(utc_now(), "part", json.dumps(letter * 100_000)))
    assert hub._worker is not None
    session = hub._worker.session
    assert session is not None
    assert session.mailbox._weight < 500_000
    await hub.client.send("s", ExecutionResumed(utc_now(), "go on"))
    assert decoded((await finished(hub, "s")).output) == "abcdefghij"
    await eventually(lambda: session.mailbox._weight == 0)


async def _is_suspended(hub: Any, instance_id: str) -> bool:
    return (await hub.client.status(instance_id)).status == "Suspended"


def _letter(text: str = "") -> Incoming:
    return Incoming(EventRaised(utc_now(), "part", text), None, uuid.uuid4())
