"""Conformance: the published patterns through the unmodified SDK, at the sizes that people use.

Source: https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-overview#application-patterns
and durable-functions-eternal-orchestrations, durable-functions-error-handling, durable-functions-timers.
"""

import time
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, client_input, decoded, finished, served
from emulators.tests.durable.test_entities import counter
from emulators.tests.support.waiting import eventually


async def test_function_chaining_passes_results_on(open_hub: OpenHub, app: AppInvoker) -> None:
    """#chaining"""
    app.activity_named("append", lambda text: text + "!")

    @app.orchestrator
    def chain(context: df.DurableOrchestrationContext) -> Any:
        text = context.get_input()
        for _ in range(4):
            text = yield context.call_activity("append", text)
        return text

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("chain", "c", "go")
        assert decoded((await finished(hub, "c")).output) == "go!!!!"


async def test_fan_out_of_a_thousand_ends_within_five_seconds(open_hub: OpenHub, app: AppInvoker) -> None:
    """#fan-in-out"""
    app.activity_named("square", lambda number: number * number)

    @app.orchestrator
    def fan(context: df.DurableOrchestrationContext) -> Any:
        return sum((yield context.task_all([context.call_activity("square", n) for n in range(1000)])))

    hub = await open_hub(app)
    await hub.client.start("fan", "warm", None)
    await finished(hub, "warm")
    began = time.monotonic()
    await hub.client.start("fan", "f", None)
    row = await finished(hub, "f")
    assert time.monotonic() - began < 5
    assert decoded(row.output) == sum(n * n for n in range(1000))


async def test_async_http_api_answers_until_it_is_done(open_hub: OpenHub, app: AppInvoker) -> None:
    """#async-http"""

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        context.set_custom_status("waiting")
        return (yield context.wait_for_external_event("go"))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("wait", "w")
        await eventually(lambda: _custom_status(hub, "w"))
        status = await client.get_status("w")
        assert (status.runtime_status, status.custom_status) == (df.OrchestrationRuntimeStatus.Running, "waiting")
        await client.raise_event("w", "go", 1)
        await finished(hub, "w")
        assert (await client.get_status("w")).runtime_status == df.OrchestrationRuntimeStatus.Completed


async def test_monitor_polls_and_continues_as_new(open_hub: OpenHub, app: AppInvoker) -> None:
    """#monitoring"""
    polls: list[int] = []

    def poll(number: int) -> bool:
        polls.append(number)
        return number == 4

    app.activity(poll)

    @app.orchestrator
    def monitor(context: df.DurableOrchestrationContext) -> Any:
        number = context.get_input()
        if (yield context.call_activity("poll", number)):
            return f"seen after {number}"
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=5))
        context.continue_as_new(number + 1)

    hub = await open_hub(app)
    await hub.client.start("monitor", "m", client_input(1))
    assert decoded((await finished(hub, "m")).output) == "seen after 4"
    assert polls == [1, 2, 3, 4]


async def test_human_interaction_races_approval_and_deadline(open_hub: OpenHub, app: AppInvoker) -> None:
    """#human"""

    @app.orchestrator
    def approve(context: df.DurableOrchestrationContext) -> Any:
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
        approval = context.wait_for_external_event("Approval")
        winner = yield context.task_any([approval, timer])
        if winner == approval:
            timer.cancel()
            return "approved"
        return "escalated"

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("approve", "quick", 3600)
        await client.start_new("approve", "late", 0.01)
        await client.raise_event("quick", "Approval", True)
        assert decoded((await finished(hub, "quick")).output) == "approved"
        assert decoded((await finished(hub, "late")).output) == "escalated"


async def test_aggregator_entity_takes_every_event_once(open_hub: OpenHub, app: AppInvoker) -> None:
    """#aggregator"""
    app.entity(counter)
    hub = await open_hub(app)
    entity = df.EntityId("counter", "sum")
    async with served(hub) as (client, _):
        for number in range(1, 31):
            await client.signal_entity(entity, "add", number)

        async def complete() -> bool:
            return (await client.read_entity_state(entity)).entity_state == 465

        await eventually(complete)


async def test_several_winners_of_one_turn_are_all_seen(open_hub: OpenHub, app: AppInvoker) -> None:
    """DurableOrchestrationContext.task_any, with completions that arrive together"""
    quiet = await open_hub()

    @app.orchestrator
    def race(context: df.DurableOrchestrationContext) -> Any:
        waits = [context.wait_for_external_event(f"e{number}") for number in range(6)]
        seen = []
        while waits:
            winner = yield context.task_any(waits)
            waits.remove(winner)
            seen.append(winner.result)
        return seen

    await quiet.client.start("race", "r", None)
    async with served(quiet) as (client, _):
        for number in range(6):
            await client.raise_event("r", f"e{number}", number)
    hub = await open_hub(app)
    assert sorted(int(value) for value in decoded((await finished(hub, "r")).output)) == list(range(6))
    assert app.turns["r"] == 1


async def test_retries_and_timers_may_interleave(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-error-handling#automatic-retry-on-failure beside durable timers, in one task_all"""
    tries: dict[str, int] = {}

    def flaky(name: str) -> str:
        tries[name] = tries.get(name, 0) + 1
        if tries[name] < 3:
            raise ValueError(name)
        return name

    app.activity(flaky)

    @app.orchestrator
    def mixed(context: df.DurableOrchestrationContext) -> Any:
        tasks = []
        for number in range(8):
            tasks.append(context.call_activity_with_retry("flaky", df.RetryOptions(1 + number % 3, 4), f"f{number}"))
            tasks.append(context.create_timer(context.current_utc_datetime + timedelta(milliseconds=number)))
        results = yield context.task_all(tasks)
        after = yield context.call_activity_with_retry("flaky", df.RetryOptions(1, 3), "after")
        return [*results[::2], after]

    hub = await open_hub(app)
    await hub.client.start("mixed", "m", None)
    row = await finished(hub, "m")
    assert decoded(row.output) == [*(f"f{number}" for number in range(8)), "after"]
    assert set(tries.values()) == {3}


async def test_many_idle_instances_leave_memory_bounded(open_hub: OpenHub, app: AppInvoker) -> None:
    """Instances in flight are bounded by the database: memory keeps the last ones that were used"""

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("go"))

    hub = await open_hub(app)
    assert hub._worker is not None
    await eventually(lambda: hub._worker.session)
    actors = hub._worker.session._actors
    actors._most_bytes = 100_000
    for number in range(300):
        await hub.client.start("wait", f"w{number}", None)
    await eventually(lambda: len(app.turns) == 300)
    await eventually(lambda: len(actors) < 60)
    async with served(hub) as (client, _):
        await client.raise_event("w0", "go", "still there")
        assert "still there" in str(decoded((await finished(hub, "w0")).output))


async def _custom_status(hub: Any, instance_id: str) -> Any:
    row = await hub.client.status(instance_id)
    return row is not None and row.custom_status
