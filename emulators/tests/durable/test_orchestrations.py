"""Orchestrations through the unmodified SDK: every feature of the protocol, with real replay."""

from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from emulators.durable.history import (
    EventRaised,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, client_input, decoded, finished
from emulators.tests.durable.support import utc_now as now
from emulators.tests.support.waiting import eventually


def add_one(number: int) -> int:
    return number + 1


async def test_three_activities_chain_their_results(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def chain(context: df.DurableOrchestrationContext) -> Any:
        value = context.get_input()
        for _ in range(3):
            value = yield context.call_activity("add_one", value)
        return value

    hub = await open_hub(app)
    await hub.client.start("chain", "c", client_input(1))
    row = await finished(hub, "c")
    assert (row.status, decoded(row.output)) == ("Completed", 4)
    assert app.turns["c"] == 4
    assert [argument for _, argument in app.calls] == [1, 2, 3]


async def test_fan_out_of_four_hundred_takes_few_turns(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def fan_out(context: df.DurableOrchestrationContext) -> Any:
        results = yield context.task_all([context.call_activity("add_one", n) for n in range(400)])
        return sum(results)

    hub = await open_hub(app)
    await hub.client.start("fan_out", "f", None)
    row = await finished(hub, "f")
    assert decoded(row.output) == sum(range(1, 401))
    assert app.turns["f"] < 100


async def test_activity_failure_reaches_the_orchestrator(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.activity
    def explode(_: None) -> None:
        raise ValueError("boom")

    @app.orchestrator
    def catch(context: df.DurableOrchestrationContext) -> Any:
        try:
            yield context.call_activity("explode", None)
        except Exception as error:  # noqa: BLE001 - all that the SDK raises
            return str(error)

    hub = await open_hub(app)
    await hub.client.start("catch", "x", None)
    assert decoded((await finished(hub, "x")).output) == "Activity function 'explode' failed: ValueError: boom \n "


async def test_uncaught_failure_fails_the_instance(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def broken(context: df.DurableOrchestrationContext) -> Any:
        yield context.create_timer(context.current_utc_datetime)
        raise RuntimeError("no way on")

    hub = await open_hub(app)
    await hub.client.start("broken", "b", None)
    row = await finished(hub, "b")
    assert (row.status, decoded(row.output)) == ("Failed", "Orchestrator function 'broken' failed: no way on")


async def test_unknown_activity_fails_the_instance_naming_it(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def lost(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity("nowhere", None)

    hub = await open_hub(app)
    await hub.client.start("lost", "l", None)
    row = await finished(hub, "l")
    assert row.status == "Failed"
    assert decoded(row.output) == (
        "The function 'nowhere' doesn't exist, is disabled, or is not an activity function. "
        "Additional info: The following are the known activity functions: 'add_one'."
    )


async def test_retry_succeeds_at_the_third_attempt(open_hub: OpenHub, app: AppInvoker) -> None:
    attempts: list[int] = []

    @app.activity
    def flaky(number: int) -> int:
        attempts.append(number)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return number * 10

    @app.orchestrator
    def patient(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity_with_retry("flaky", df.RetryOptions(5, 3), 7))

    hub = await open_hub(app)
    await hub.client.start("patient", "p", None)
    row = await finished(hub, "p")
    assert (row.status, decoded(row.output), attempts) == ("Completed", 70, [7, 7, 7])


async def test_exhausted_retry_raises_after_one_more_timer(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.activity
    def hopeless(_: None) -> None:
        raise ValueError("never")

    @app.orchestrator
    def patient(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity_with_retry("hopeless", df.RetryOptions(1, 2), None)

    hub = await open_hub(app)
    await hub.client.start("patient", "p", None)
    row = await finished(hub, "p")
    history = await hub.client.history(row.execution_id)
    assert row.status == "Failed"
    assert "ValueError: never" in decoded(row.output)
    assert [event.seq for event in history if isinstance(event, TaskScheduled)] == [0, 2]
    assert [event.seq for event in history if isinstance(event, TimerCreated)] == [1, 3]


async def test_retries_interleaved_with_timers_keep_their_ids(open_hub: OpenHub, app: AppInvoker) -> None:
    seen: dict[str, int] = {}

    @app.activity
    def flaky(name: str) -> str:
        seen[name] = seen.get(name, 0) + 1
        if seen[name] < 3:
            raise ValueError(name)
        return f"{name}:{seen[name]}"

    app.activity(add_one)

    @app.orchestrator
    def busy(context: df.DurableOrchestrationContext) -> Any:
        retry = df.RetryOptions(3, 5)
        background = [context.call_activity_with_retry("flaky", retry, name) for name in ("a", "b", "c")]
        together = context.task_all(background)
        steps = []
        for number in range(12):
            timer = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=2))
            winner = yield context.task_any([timer, together])
            if winner == together and not timer.is_completed:
                timer.cancel()
            steps.append((yield context.call_activity("add_one", number)))
        return [(yield together), steps]

    hub = await open_hub(app)
    for name in range(3):
        seen.clear()
        await hub.client.start("busy", f"busy-{name}", None)
        row = await finished(hub, f"busy-{name}")
        assert (row.status, decoded(row.output)) == ("Completed", [["a:3", "b:3", "c:3"], list(range(1, 13))])


async def test_timer_fires_no_earlier_than_asked(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def sleepy(context: df.DurableOrchestrationContext) -> Any:
        due = context.current_utc_datetime + timedelta(milliseconds=30)
        yield context.create_timer(due)
        return context.current_utc_datetime >= due

    hub = await open_hub(app)
    await hub.client.start("sleepy", "s", None)
    row = await finished(hub, "s")
    fired = next(event for event in await hub.client.history(row.execution_id) if isinstance(event, TimerFired))
    assert decoded(row.output) is True
    assert fired.timestamp.isoformat() >= fired.fire_at.removesuffix("Z")


async def test_event_wins_against_a_cancelled_timer(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def approval(context: df.DurableOrchestrationContext) -> Any:
        timeout = context.create_timer(context.current_utc_datetime + timedelta(days=30))
        answer = context.wait_for_external_event("answer")
        winner = yield context.task_any([answer, timeout])
        if winner == answer:
            timeout.cancel()
            return answer.result
        return "late"

    hub = await open_hub(app)
    await hub.client.start("approval", "a", None)
    await eventually(lambda: app.turns.get("a"))
    assert await hub.client.send("a", EventRaised(now(), "answer", '"yes"')) in {"Running", "Pending"}
    row = await finished(hub, "a")
    assert decoded(row.output) == "yes"


async def test_completion_waits_for_an_uncancelled_timer(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def careless(context: df.DurableOrchestrationContext) -> Any:
        timer = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=150))
        work = context.call_activity("add_one", 1)
        yield context.task_any([work, timer])
        return work.result

    hub = await open_hub(app)
    began = now()
    await hub.client.start("careless", "c", None)
    row = await finished(hub, "c")
    assert decoded(row.output) == 2
    assert row.updated_at - began >= timedelta(milliseconds=140)


async def test_sub_orchestration_returns_its_result(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("add_one", context.get_input()))

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        named = yield context.call_sub_orchestrator("child", 1, "the-child")
        others = yield context.task_all([context.call_sub_orchestrator("child", n) for n in (10, 20)])
        return [named, *others]

    hub = await open_hub(app)
    await hub.client.start("parent", "p", None)
    row = await finished(hub, "p")
    assert decoded(row.output) == [2, 11, 21]
    created = [e for e in await hub.client.history(row.execution_id) if isinstance(e, SubOrchestrationCreated)]
    assert [event.instance_id for event in created] == [
        "the-child", f"{row.execution_id}:1", f"{row.execution_id}:2",
    ]  # fmt: skip


async def test_failed_child_is_retried_under_its_id(open_hub: OpenHub, app: AppInvoker) -> None:
    tries: list[str] = []

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        tries.append(context.instance_id)
        if len(tries) < 3:
            raise ValueError("child broke")
        return "fine"
        yield

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_sub_orchestrator_with_retry("child", df.RetryOptions(1, 3), None, "kid"))

    hub = await open_hub(app)
    await hub.client.start("parent", "p", None)
    row = await finished(hub, "p")
    assert (row.status, decoded(row.output), tries) == ("Completed", "fine", ["kid"] * 3)


async def test_child_with_a_live_id_fails_the_task(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def waiter(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("go"))

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        try:
            yield context.call_sub_orchestrator("waiter", None, "taken")
        except Exception as error:  # noqa: BLE001 - all that the SDK raises
            return str(error)

    hub = await open_hub(app)
    await hub.client.start("waiter", "taken", None)
    await hub.client.start("parent", "p", None)
    assert "already exists" in decoded((await finished(hub, "p")).output)


async def test_continue_as_new_starts_a_fresh_history(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)

    @app.orchestrator
    def loop(context: df.DurableOrchestrationContext) -> Any:
        count = yield context.call_activity("add_one", context.get_input())
        context.set_custom_status({"count": count})
        if count < 20:
            context.continue_as_new(count)
            return None
        return count

    hub = await open_hub(app)
    await hub.client.start("loop", "l", client_input(0))
    row = await finished(hub, "l")
    assert (decoded(row.output), decoded(row.custom_status), decoded(row.input)) == (20, {"count": 20}, "19")
    assert len([e for e in await hub.client.history(row.execution_id) if isinstance(e, TaskScheduled)]) == 1


async def test_changed_code_fails_naming_both_sides(open_hub: OpenHub, app: AppInvoker) -> None:
    app.activity(add_one)
    runs = iter(["add_one", "double"])
    app.activity_named("double", lambda number: number * 2)

    @app.orchestrator
    def fickle(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity(next(runs), 1)

    hub = await open_hub(app)
    await hub.client.start("fickle", "f", None)
    row = await finished(hub, "f")
    assert row.status == "Failed"
    assert "activity 'add_one' as task 0" in decoded(row.output)
    assert "asked for activity 'double'" in decoded(row.output)


async def test_several_winners_arrive_in_one_turn(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def race(context: df.DurableOrchestrationContext) -> Any:
        first, second = (context.wait_for_external_event(name) for name in ("a", "b"))
        winner = yield context.task_any([first, second])
        other = second if winner == first else first
        return [winner.result, (yield other)]

    client = await open_hub()
    await client.client.start("race", "r", None)
    for name in ("a", "b"):
        await client.client.send("r", EventRaised(now(), name, f'"{name}"'))
    hub = await open_hub(app)
    assert decoded((await finished(hub, "r")).output) == ["a", "b"]
    assert app.turns["r"] == 1


@pytest.mark.parametrize(("size", "status"), [(8_000, "Completed"), (8_200, "Failed")])
async def test_custom_status_holds_sixteen_kilobytes(
    open_hub: OpenHub, app: AppInvoker, size: int, status: str
) -> None:
    @app.orchestrator
    def talkative(context: df.DurableOrchestrationContext) -> Any:
        context.set_custom_status("x" * size)
        return "done"
        yield

    hub = await open_hub(app)
    await hub.client.start("talkative", "t", None)
    row = await finished(hub, "t")
    assert row.status == status
    if status == "Failed":
        assert decoded(row.output) == "The size of the JSON-serialized payload must not exceed 16 KB of UTF-16 text."


async def test_results_over_one_megabyte_fail_the_task(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.activity
    def huge(_: None) -> str:
        return "x" * (1024 * 1024)

    @app.orchestrator
    def greedy(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_activity("huge", None)

    hub = await open_hub(app)
    await hub.client.start("greedy", "g", None)
    row = await finished(hub, "g")
    assert row.status == "Failed"
    assert "the limit is 1048576 bytes (1 MB)" in decoded(row.output)


async def test_odd_characters_survive_the_journey(open_hub: OpenHub, app: AppInvoker) -> None:
    odd = 'nul \x00 lone \ud800 quote " \u20b9 \U0001f600'

    @app.activity
    def echo(text: str) -> str:
        return text

    @app.activity
    def complain(text: str) -> None:
        raise ValueError(text)

    @app.orchestrator
    def mirror(context: df.DurableOrchestrationContext) -> Any:
        text = yield context.call_activity("echo", context.get_input())
        try:
            yield context.call_activity("complain", text)
        except Exception:  # noqa: BLE001 - all that the SDK raises
            return text

    hub = await open_hub(app)
    await hub.client.start("mirror", "m", client_input(odd))
    assert decoded((await finished(hub, "m")).output) == odd
