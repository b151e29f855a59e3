"""The management API, asked by the SDK's own client and by plain HTTP."""

import json
from datetime import timedelta
from typing import Any

import aiohttp
import azure.durable_functions as df
import pytest

from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, finished, served, utc_now
from emulators.tests.support.waiting import eventually

STATUS = df.OrchestrationRuntimeStatus


@pytest.fixture
def app(app: AppInvoker) -> AppInvoker:
    @app.orchestrator
    def echo(context: df.DurableOrchestrationContext) -> Any:
        return context.get_input()
        yield

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("go"))

    @app.orchestrator
    def broken(context: df.DurableOrchestrationContext) -> Any:
        raise ValueError("broken")
        yield

    return app


async def test_sdk_client_starts_and_reads_an_instance(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        assert await client.start_new("echo", "e", {"a": [1, None]}) == "e"
        await finished(hub, "e")
        status = await client.get_status("e", show_history=True, show_history_output=True, show_input=True)
        assert (status.name, status.runtime_status, status.output) == ("echo", STATUS.Completed, {"a": [1, None]})
        assert json.loads(status.input_) == {"a": [1, None]}
        started, completed = status.historyEvents
        assert (started["EventType"], completed["EventType"]) == ("ExecutionStarted", "ExecutionCompleted")
        assert completed["Result"] == {"a": [1, None]}
        # The SDK's client encodes inputs twice.
        assert json.loads(json.loads(started["Input"])) == {"a": [1, None]}
        assert not await client.get_status("nobody")


async def test_history_shows_values_as_the_extension_does(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.activity
    def greet(name: str) -> str:
        if name == "nobody":
            raise ValueError(name)
        return f"hello {name}"

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return {"n": 1}
        yield

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        said = yield context.call_activity("greet", "you")
        try:
            yield context.call_activity("greet", "nobody")
        except Exception:  # noqa: BLE001 - what the SDK raises
            yield context.call_sub_orchestrator("child", None, "c")
        yield context.wait_for_external_event("go")
        return said

    hub = await open_hub(app)
    async with served(hub) as (client, public), aiohttp.ClientSession() as http:
        await client.start_new("parent", "p")
        await client.raise_event("p", "go", {"k": 1})
        await finished(hub, "p")
        shown = await client.get_status("p", show_history=True, show_history_output=True, show_input=True)
        async with http.get(f"{public}/instances/p?showHistory=true&showInput=false") as answer:
            plain = await answer.json()
    by_name = {event["EventType"]: event for event in shown.historyEvents}
    assert sorted(event["EventType"] for event in shown.historyEvents) == [
        "EventRaised",
        "ExecutionCompleted",
        "ExecutionStarted",
        "SubOrchestrationInstanceCompleted",
        "TaskCompleted",
        "TaskFailed",
    ]
    assert (by_name["TaskCompleted"]["Result"], by_name["TaskCompleted"]["Input"]) == ("hello you", '"you"')
    assert by_name["SubOrchestrationInstanceCompleted"]["Result"] == {"n": 1}
    assert by_name["SubOrchestrationInstanceCompleted"]["FunctionName"] == "child"
    assert json.loads(json.loads(by_name["EventRaised"]["Input"])) == {"k": 1}
    assert by_name["ExecutionCompleted"]["Result"] == "hello you"
    assert by_name["ExecutionStarted"].keys() == {"EventType", "Timestamp", "Input", "FunctionName"}
    assert not [event for event in plain["historyEvents"] if {"Input", "Result"} & event.keys()]


async def test_history_of_a_running_instance_shows_open_tasks(open_hub: OpenHub, app: AppInvoker) -> None:
    @app.orchestrator
    def sleeper(context: df.DurableOrchestrationContext) -> Any:
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("sleeper", "s")
        await eventually(lambda: app.turns.get("s"))
        status = await eventually(lambda: _with_history(client, "s", 2))
    assert [event["EventType"] for event in status.historyEvents] == ["ExecutionStarted", "TimerCreated"]
    assert status.historyEvents[1].keys() == {"EventType", "Timestamp", "FireAt"}


async def test_generated_ids_are_returned(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        instance_id = await client.start_new("ECHO")
        assert (await finished(hub, instance_id)).name == "echo"


async def test_a_live_instance_is_not_started_twice(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("wait", "w")
        with pytest.raises(Exception, match="already exists"):
            await client.start_new("wait", "w")


async def test_a_finished_instance_runs_again(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("echo", "e", "first")
        first = await finished(hub, "e")
        await client.start_new("echo", "e", "second")
        second = await eventually(lambda: _other_execution(hub, "e", first.execution_id))
        assert (await finished(hub, "e")).output == '"second"'
        assert await hub.client.history(first.execution_id) == []
        assert second.created_at > first.created_at


async def test_unknown_orchestrator_is_refused_by_name(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        with pytest.raises(Exception, match="'nowhere' doesn't exist, is disabled, or is not an orchestrator"):
            await client.start_new("nowhere")


@pytest.mark.parametrize("bad", ["@entity", "x" * 101, "naïve", "del\x7f"])
async def test_ids_that_azure_refuses_are_refused(open_hub: OpenHub, app: AppInvoker, bad: str) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        with pytest.raises(Exception, match=r"[Ii]nstance IDs"):
            await client.start_new("echo", bad)


async def test_inputs_over_one_megabyte_are_refused(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        with pytest.raises(Exception, match="1048576 bytes"):
            await client.start_new("echo", "big", "x" * (1 << 20))


async def test_raised_events_reach_only_live_instances(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("wait", "w")
        await client.raise_event("w", "go", {"n": 1})
        assert json.loads(json.loads((await finished(hub, "w")).output)) == {"n": 1}
        with pytest.raises(Exception, match="is gone"):
            await client.raise_event("w", "go", 1)
        with pytest.raises(Exception, match="No instance"):
            await client.raise_event("nobody", "go", 1)


async def test_operators_suspend_resume_and_terminate(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("wait", "w")
        await client.suspend("w", "a pause")
        await eventually(lambda: _status_is(client, "w", STATUS.Suspended))
        await client.resume("w", "go on")
        await eventually(lambda: _status_is(client, "w", STATUS.Running))
        await client.terminate("w", "enough of it")
        await finished(hub, "w")
        status = await client.get_status("w")
        assert (status.runtime_status, status.output) == (STATUS.Terminated, "enough of it")
        for operation in (client.suspend, client.resume, client.terminate):
            await operation("w", "gone is fine")
            with pytest.raises(Exception, match="No instance"):
                await operation("nobody", "x")


async def test_purge_deletes_finished_instances_only(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        before = utc_now() - timedelta(minutes=1)
        for name in ("a", "b", "c"):
            await client.start_new("echo", name)
            await finished(hub, name)
        await client.start_new("wait", "w")
        assert (await client.purge_instance_history("a")).instances_deleted == 1
        assert (await client.purge_instance_history("a")).instances_deleted == 0
        assert (await client.purge_instance_history("w")).instances_deleted == 0
        assert (await client.purge_instance_history_by(before, None, [STATUS.Failed])).instances_deleted == 0
        assert (await client.purge_instance_history_by(before)).instances_deleted == 2
        assert [status.instance_id for status in await client.get_status_all()] == ["w"]


async def test_queries_filter_by_prefix_time_and_status(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("echo", "order-1")
        await client.start_new("broken", "order-2")
        await client.start_new("wait", "order-3")
        await client.start_new("wait", "other")
        for name in ("order-1", "order-2"):
            await finished(hub, name)
        by_prefix = await client.get_status_by(instance_id_prefix="order-")
        assert [status.instance_id for status in by_prefix] == ["order-1", "order-2", "order-3"]
        ended = await client.get_status_by(runtime_status=[STATUS.Completed, STATUS.Failed])
        assert [status.instance_id for status in ended] == ["order-1", "order-2"]
        assert await client.get_status_by(created_time_from=utc_now() + timedelta(hours=1)) == []
        assert len(await client.get_status_by(created_time_to=utc_now() + timedelta(hours=1))) == 4


async def test_continuation_tokens_walk_every_instance_once(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    for number in range(7):
        await hub.client.start("wait", f"w{number}", None)
    async with served(hub) as (_, public), aiohttp.ClientSession() as http:
        seen: list[str] = []
        token = ""
        while True:
            headers = {"x-ms-continuation-token": token} if token else {}
            async with http.get(f"{public}/instances?top=3", headers=headers) as answer:
                seen += [row["instanceId"] for row in await answer.json()]
                token = answer.headers["x-ms-continuation-token"]
            if not token:
                break
        assert seen == [f"w{number}" for number in range(7)]
        async with http.get(f"{public}/instances", headers={"x-ms-continuation-token": "forged"}) as answer:
            assert answer.status == 400


async def test_check_status_payload_carries_the_system_key(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (client, public), aiohttp.ClientSession() as http:
        async with http.post(f"{public}/orchestrators/wait/w?code=system-key") as answer:
            links = await answer.json()
            assert (answer.status, links["id"]) == (202, "w")
            assert answer.headers["Location"] == links["statusQueryGetUri"]
            assert int(answer.headers["Retry-After"]) > 0
        assert links == client.create_http_management_payload("w")
        assert "code=system-key" in links["terminatePostUri"]
        async with http.get(links["statusQueryGetUri"]) as answer:
            assert answer.status == 202
            assert answer.headers["Location"] == links["statusQueryGetUri"]
        async with http.post(links["sendEventPostUri"].replace("{eventName}", "go"), json="now") as answer:
            assert answer.status == 202
        await finished(hub, "w")
        async with http.get(links["statusQueryGetUri"]) as answer:
            assert (answer.status, (await answer.json())["output"]) == (200, "now")
        async with http.delete(links["purgeHistoryDeleteUri"]) as answer:
            assert (answer.status, await answer.json()) == (200, {"instancesDeleted": 1})


async def test_create_and_wait_answers_with_the_output(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    async with served(hub) as (_, public), aiohttp.ClientSession() as http:
        wait = "timeout=10&pollingInterval=1"
        async with http.post(f"{public}/orchestrators/echo?{wait}", json={"a": 1}) as answer:
            assert (answer.status, await answer.json()) == (200, {"a": 1})
        async with http.post(f"{public}/orchestrators/broken?{wait}") as answer:
            assert (answer.status, (await answer.json())["runtimeStatus"]) == (200, "Failed")
        async with http.post(f"{public}/orchestrators/wait/slow?timeout=0.05&pollingInterval=0.01") as answer:
            assert (answer.status, (await answer.json())["id"]) == (202, "slow")


async def test_failed_instances_answer_500_when_asked(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    await hub.client.start("broken", "b", None)
    await finished(hub, "b")
    async with served(hub) as (_, public), aiohttp.ClientSession() as http:
        async with http.get(f"{public}/instances/b") as answer:
            assert answer.status == 200
        async with http.get(f"{public}/instances/b?returnInternalServerErrorOnFailure=true") as answer:
            assert answer.status == 500


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "orchestrators/echo", b"{not json", 400),
        ("POST", "instances/w/raiseEvent/go", b"{not json", 400),
        ("POST", "instances/w/explode", b"", 404),
        ("GET", "instances/nobody", b"", 404),
        ("DELETE", "instances/nobody", b"", 404),
        ("DELETE", "instances/", b"", 400),
        ("GET", "orchestrators/echo", b"", 404),
        ("POST", "instances/w/rewind?reason=x", b"", 500),
        ("POST", "instances/nowhere/rewind?reason=x", b"", 404),
        ("POST", "instances/nowhere/restart", b"", 404),
        ("POST", "instances/@counter@k/raiseEvent/op", b"1", 404),
        ("POST", "entities/counter/one?op=add", b"1", 400),
        ("GET", "entities/counter/one", b"", 404),
        ("GET", "elsewhere", b"", 404),
    ],
)
async def test_other_calls_get_their_status(
    open_hub: OpenHub, app: AppInvoker, method: str, path: str, body: bytes, status: int
) -> None:
    hub = await open_hub(app)
    await hub.client.start("wait", "w", None)
    headers = {"Content-Type": "application/json"}
    async with (
        served(hub) as (_, public),
        aiohttp.ClientSession() as http,
        http.request(method, f"{public}/{path}", data=body, headers=headers) as answer,
    ):
        assert answer.status == status


async def test_events_must_be_json(open_hub: OpenHub, app: AppInvoker) -> None:
    hub = await open_hub(app)
    await hub.client.start("wait", "w", None)
    async with (
        served(hub) as (_, public),
        aiohttp.ClientSession() as http,
        http.post(f"{public}/instances/w/raiseEvent/go", data="text") as answer,
    ):
        assert answer.status == 400
        assert "application/json" in (await answer.json())["Message"]


async def _status_is(client: df.DurableOrchestrationClient, instance_id: str, status: object) -> bool:
    return (await client.get_status(instance_id)).runtime_status == status


async def _with_history(client: df.DurableOrchestrationClient, instance_id: str, events: int) -> Any:
    status = await client.get_status(instance_id, show_history=True)
    return status if len(status.historyEvents or ()) >= events else None


async def _other_execution(hub: Any, instance_id: str, execution_id: object) -> Any:
    row = await hub.client.status(instance_id)
    return row if row.execution_id != execution_id else None
