"""Entities through the unmodified SDK: calls, signals, state, batches, order, and exactly one effect.

Source: https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-entities, the entity pages of
durable-functions-http-api, and TaskEntityShim.cs in Azure/azure-functions-durable-extension.
"""

import asyncio
import json
import signal
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import azure.durable_functions as df
import pytest

from emulators.durable import DurableTaskHub
from emulators.durable.entities import EntityId, EntityState, Operation, UnreadableBatchError, parse_batch
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, decoded, finished, served, utc_now
from emulators.tests.durable.test_crashes import worker_process
from emulators.tests.support.waiting import eventually

COUNTER = df.EntityId("counter", "one")


def counter(context: df.DurableEntityContext) -> None:
    value = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            context.set_state(value + context.get_input())
            context.set_result(value + context.get_input())
        case "get":
            context.set_result(value)
        case "fail":
            raise ValueError(f"no {context.get_input()}")
        case "spoil":
            context.set_state(object())
        case "delete":
            context.destruct_on_exit()


@pytest.fixture
def app(app: AppInvoker) -> AppInvoker:
    app.entity(counter)
    return app


async def state_of(hub: DurableTaskHub, key: str = "one") -> Any:
    row = await hub.client.entity(EntityId.of("counter", key))
    return None if row is None else decoded(row.state)


async def test_orchestration_calls_and_signals_an_entity(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def use(context: df.DurableOrchestrationContext) -> Any:
        context.signal_entity(COUNTER, "add", 5)
        first = yield context.call_entity(COUNTER, "add", 2)
        second = yield context.call_entity(COUNTER, "get")
        return [first, second]

    hub = await open_hub(app)
    await hub.client.start("use", "u", None)
    row = await finished(hub, "u")
    assert (row.status, decoded(row.output)) == ("Completed", [7, 7])
    assert await state_of(hub) == 7


async def test_failed_operation_raises_in_the_caller_alone(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def use(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_entity(COUNTER, "add", 3)
        try:
            yield context.call_entity(COUNTER, "fail", "way")
        except Exception as error:  # noqa: BLE001 - all that the SDK raises
            return [str(error), (yield context.call_entity(COUNTER, "get"))]

    hub = await open_hub(app)
    await hub.client.start("use", "u", None)
    assert decoded((await finished(hub, "u")).output) == ["no way", 3]


async def test_unknown_entity_fails_the_orchestration(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def use(context: df.DurableOrchestrationContext) -> Any:
        yield context.call_entity(df.EntityId("Nobody", "k"), "get")

    hub = await open_hub(app)
    await hub.client.start("use", "u", None)
    row = await finished(hub, "u")
    assert row.status == "Failed"
    assert "is not an entity function" in decoded(row.output)
    assert "'counter'" in decoded(row.output)


async def test_sdk_client_signals_reads_and_lists(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, public):
        assert not (await client.read_entity_state(COUNTER)).entity_exists
        await client.signal_entity(df.EntityId("Counter", "one"), "add", 4)
        await client.signal_entity(COUNTER, "add", 6)
        await eventually(lambda: _is(hub, 10))
        state = await client.read_entity_state(COUNTER)
        assert (state.entity_exists, state.entity_state) == (True, 10)
        await client.signal_entity(df.EntityId("counter", "two"), "add", 1)
        await eventually(lambda: _is(hub, 1, "two"))
        async with _get(f"{public}/entities/counter?fetchState=true&top=1") as answer:
            [first] = await answer.json()
            assert (first["entityId"], first["state"]) == ({"name": "counter", "key": "one"}, 10)
            token = answer.headers["x-ms-continuation-token"]
        async with _get(f"{public}/entities", {"x-ms-continuation-token": token}) as answer:
            assert [item["entityId"]["key"] for item in await answer.json()] == ["two"]
        with pytest.raises(Exception, match="unexpected status code 400"):
            await client.signal_entity(df.EntityId("nobody", "k"), "add", 1)


async def test_deleted_entity_is_gone_and_starts_again(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.signal_entity(COUNTER, "add", 4)
        await eventually(lambda: _is(hub, 4))
        await client.signal_entity(COUNTER, "delete")
        await eventually(lambda: _is(hub, None))
        assert not (await client.read_entity_state(COUNTER)).entity_exists
        await client.signal_entity(COUNTER, "add", 1)
        await eventually(lambda: _is(hub, 1))


async def test_waiting_operations_become_one_batch_in_order(open_hub: OpenHub, app: AppInvoker) -> None:
    seen: list[int] = []

    @app.entity
    def log(context: df.DurableEntityContext) -> None:
        seen.append(context.get_input())
        context.set_state(len(seen))

    quiet = await open_hub()
    for number in range(50):
        await quiet.client.signal(EntityId.of("log", "k"), "note", json.dumps(json.dumps(number)))
    await open_hub(app)
    await eventually(lambda: len(seen) == 50)
    assert seen == list(range(50))
    assert len([batch for batch in app.batches if batch["self"]["name"] == "log"]) == 1


async def test_signals_of_one_orchestration_keep_their_order(open_hub: OpenHub, app: AppInvoker) -> None:
    seen: list[int] = []

    @app.entity
    def log(context: df.DurableEntityContext) -> None:
        seen.append(context.get_input())

    @app.orchestrator
    def send(context: df.DurableOrchestrationContext) -> Any:
        for number in range(30):
            context.signal_entity(df.EntityId("log", "k"), "note", number)
            if number % 7 == 0:
                yield context.create_timer(context.current_utc_datetime)

    hub = await open_hub(app)
    await hub.client.start("send", "s", None)
    await finished(hub, "s")
    await eventually(lambda: len(seen) == 30)
    assert seen == list(range(30))


async def test_breaking_operation_is_answered_alone(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def use(context: df.DurableOrchestrationContext) -> Any:
        adds = [context.call_entity(COUNTER, "add", 1) for _ in range(3)]
        spoiled = context.call_entity(COUNTER, "spoil")
        yield context.task_all(adds)
        try:
            yield spoiled
        except Exception as error:  # noqa: BLE001 - all that the SDK raises
            return [str(error), (yield context.call_entity(COUNTER, "add", 1))]

    hub = await open_hub(app)
    await hub.client.start("use", "u", None)
    message, value = decoded((await finished(hub, "u")).output)
    assert value == 4
    assert "not JSON serializable" in message or "TypeError" in message or "AttributeError" in message


async def test_entities_signal_each_other_now_and_later(open_hub: OpenHub, app: AppInvoker) -> None:
    due: list[datetime] = []

    def forward(trigger: dict[str, Any]) -> dict[str, Any]:
        due.append(utc_now() + timedelta(seconds=1.2))
        target = {"name": "counter", "key": "one"}
        signals = [
            {"target": target, "name": "add", "input": json.dumps("1")},
            {"target": target, "name": "add", "input": json.dumps("10"), "scheduledTime": due[-1].isoformat()},
        ]
        results = [{"isError": False, "duration": 0, "startTime": 0, "result": "null"} for _ in trigger["batch"]]
        return {"entityExists": True, "entityState": "1", "results": results, "signals": signals}

    app.entity_answering("relay", forward)
    hub = await open_hub(app)
    await hub.client.signal(EntityId.of("relay", "k"), "go", None)
    await eventually(lambda: _is(hub, 11))
    assert utc_now() >= due[0]
    counted = [batch["batch"] for batch in app.batches if batch["self"]["name"] == "counter"]
    assert [len(batch) for batch in counted] == [1, 1]  # the first did not wait for the second


async def test_scheduled_signal_survives_its_worker(open_hub: OpenHub, app: AppInvoker) -> None:
    """Action 10 of the protocol; the Python SDK does not offer it yet."""
    due = utc_now() + timedelta(seconds=1)
    action = {"actionType": 10, "instanceId": "@counter@one", "operation": "add", "input": "3"}
    action["fireAt"] = due.isoformat()
    app._orchestrators["plan"] = lambda _: json.dumps({"isDone": True, "schemaVersion": 2, "actions": [[action]]})
    hub = await open_hub(app)
    await hub.client.start("plan", "p", None)
    assert (await finished(hub, "p")).status == "Completed"
    await hub.drain(1.0)
    heir = await open_hub(app)
    assert await state_of(heir) is None
    await eventually(lambda: _is(heir, 3))
    assert utc_now() >= due


@pytest.mark.crash
async def test_killed_workers_repeat_no_effect_on_state(session_dsn: str, open_hub: OpenHub, hub_name: str) -> None:
    hub = await open_hub()
    names = [f"{hub_name}-{number}" for number in range(20)]
    for name in names:
        await hub.client.start("count", name, None)
    for delay_s in (0.1, 0.25, 0.4):
        async with worker_process(session_dsn, hub_name) as process:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), delay_s)
            process.send_signal(signal.SIGKILL)
    async with worker_process(session_dsn, hub_name):
        rows = [await finished(hub, name) for name in names]
        await eventually(lambda: _is(hub, 20 * 11, "shared"))
    assert {row.status for row in rows} == {"Completed"}
    # Each add returned the sum after it, so no two callers saw the same one.
    seen = [value for row in rows for value in decoded(row.output)]
    assert len(set(seen)) == len(seen) == 100


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"entityExists": true, "entityState": "1", "results": []}'])
def test_unreadable_batches_are_refused(answer: str) -> None:
    with pytest.raises(UnreadableBatchError):
        parse_batch(answer, EntityId.of("a", "b"), 1)


def test_entity_ids_and_operations_survive_their_text() -> None:
    assert EntityId.parse("@Counter@a@b") == EntityId("counter", "a@b")
    operation = Operation("1", "add", '"1"', is_signal=False, parent="p", parent_execution="e", due=utc_now())
    assert Operation.from_text(operation.to_text()) == operation
    for wrong in ("counter", "@counter", "@@k", "x@counter@k"):
        with pytest.raises(ValueError, match="entity"):
            EntityId.parse(wrong)
    assert not EntityState().exists


def _get(url: str, headers: dict[str, str] | None = None) -> Any:

    return aiohttp.request("GET", url, headers=headers)


async def _is(hub: DurableTaskHub, value: Any, key: str = "one") -> bool:
    return await state_of(hub, key) == value
