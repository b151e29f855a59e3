"""Conformance: what operators do to instances, and versions, by the unmodified SDK's client.

Each case names its source: a page of https://learn.microsoft.com/azure/azure-functions/durable/ or a file of
Azure/azure-functions-durable-extension or Azure/durabletask.
"""

from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from emulators.durable.settings import HubSettings
from emulators.durable.versions import compare
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import AppInvoker, decoded, finished, served
from emulators.tests.support.waiting import eventually

STATUS = df.OrchestrationRuntimeStatus


class Switch:
    """Activities that fail until they are mended."""

    def __init__(self) -> None:
        self.broken = True
        self.calls: list[Any] = []

    def work(self, argument: Any) -> Any:
        self.calls.append(argument)
        if self.broken and argument == "bad":
            raise ValueError("broken")
        return argument


@pytest.fixture
def switch(app: AppInvoker) -> Switch:
    switch = Switch()
    app.activity_named("work", switch.work)
    return switch


async def test_rewind_runs_only_the_failed_activity_again(open_hub: OpenHub, app: AppInvoker, switch: Switch) -> None:
    """durable-functions-instance-management#rewind-instances-preview"""

    @app.orchestrator
    def fan(context: df.DurableOrchestrationContext) -> Any:
        first = yield context.call_activity("work", "first")
        rest = yield context.task_all([context.call_activity("work", name) for name in ("a", "bad", "b")])
        last = yield context.call_activity("work", "last")
        return [first, *rest, last]

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("fan", "f")
        assert (await finished(hub, "f")).status == "Failed"
        switch.broken = False
        await client.rewind("f", "mended")
        await eventually(lambda: _has(hub, "f", "Completed"))
        row = await finished(hub, "f")
    assert decoded(row.output) == ["first", "a", "bad", "b", "last"]
    assert switch.calls.count("first") == switch.calls.count("a") == 1
    assert switch.calls.count("bad") == 2
    history = await hub.client.history(row.execution_id)
    assert "Rewound: TaskFailed" in [getattr(event, "data", None) for event in history]


async def test_rewind_descends_into_failed_children(open_hub: OpenHub, app: AppInvoker, switch: Switch) -> None:
    """AzureTableTrackingStore.RewindHistoryAsync: recursion into failed sub-orchestrations"""

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("work", context.get_input()))

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        names = ("good", "bad")
        calls = [context.call_sub_orchestrator("child", name, f"{context.instance_id}-{name}") for name in names]
        return (yield context.task_all(calls))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("parent", "p")
        assert (await finished(hub, "p")).status == "Failed"
        switch.broken = False
        await client.rewind("p", "mended")
        await eventually(lambda: _has(hub, "p", "Completed"))
    assert decoded((await finished(hub, "p")).output) == ["good", "bad"]
    assert (await finished(hub, "p-bad")).status == "Completed"
    assert switch.calls.count("good") == 1


async def test_rewind_gives_the_last_attempt_another_try(open_hub: OpenHub, app: AppInvoker, switch: Switch) -> None:
    """durable-functions-instance-management#rewind-instances-preview, with durable-functions-error-handling retries"""

    @app.orchestrator
    def patient(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity_with_retry("work", df.RetryOptions(1, 2), "bad"))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("patient", "p")
        assert (await finished(hub, "p")).status == "Failed"
        switch.broken = False
        await client.rewind("p", "mended")
        await eventually(lambda: _has(hub, "p", "Completed"))
    assert decoded((await finished(hub, "p")).output) == "bad"
    assert len(switch.calls) == 3


async def test_rewind_is_for_failed_instances_only(open_hub: OpenHub, app: AppInvoker, switch: Switch) -> None:
    """HttpApiHandler.HandleRewindInstanceRequestAsync: 404, 410"""

    @app.orchestrator
    def fine(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("work", "x"))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("fine", "f")
        await finished(hub, "f")
        with pytest.raises(Exception, match="only supported on failed"):
            await client.rewind("f", "why")
        with pytest.raises(Exception, match="No instance with ID nobody found"):
            await client.rewind("nobody", "why")


async def test_restart_takes_the_input_to_a_new_or_the_same_id(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-http-api; DurableClient.RestartAsync"""

    @app.orchestrator
    def echo(context: df.DurableOrchestrationContext) -> Any:
        return [context.get_input(), context.instance_id]
        yield

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("echo", "e", {"a": 1})
        before = await finished(hub, "e")
        payload = await client.restart("e")
        assert payload["id"] != "e"
        assert decoded((await finished(hub, payload["id"])).output) == [{"a": 1}, payload["id"]]
        assert (await client.restart("e", restart_with_new_instance_id=False))["id"] == "e"
        await eventually(lambda: _replaced(hub, "e", before.execution_id))
        assert decoded((await finished(hub, "e")).output) == [{"a": 1}, "e"]
        with pytest.raises(Exception, match="No instance with ID 'nobody' found"):
            await client.restart("nobody")


async def test_any_state_replaces_a_running_instance(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-host-json: overridableExistingInstanceStates"""

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        return [context.get_input(), (yield context.wait_for_external_event("go"))]

    hub = await open_hub(app, overridableExistingInstanceStates="AnyState")
    async with served(hub) as (client, _):
        await client.start_new("wait", "w", 1)
        await eventually(lambda: _has(hub, "w", "Running"))
        await client.start_new("wait", "w", 2)
        await client.start_new("wait", "w", 3)
        await client.raise_event("w", "go", "now")
        assert decoded((await finished(hub, "w")).output)[0] == 3


async def test_live_instance_is_not_replaced_by_default(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-host-json: overridableExistingInstanceStates, NonRunningStates"""

    @app.orchestrator
    def wait(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.wait_for_external_event("go"))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("wait", "w")
        with pytest.raises(Exception, match="already exists"):
            await client.start_new("wait", "w")


async def test_versions_reach_instances_and_children(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-orchestration-versioning"""

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return context.version
        yield

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        default = yield context.call_sub_orchestrator("child")
        chosen = yield context.call_sub_orchestrator("child", version="1.5")
        return [context.version, default, chosen]

    hub = await open_hub(app, defaultVersion="2.0")
    async with served(hub) as (client, _):
        await client.start_new("parent", "new")
        await client.start_new("parent", "old", version="1.0")
        assert decoded((await finished(hub, "new")).output) == ["2.0", "2.0", "1.5"]
        assert decoded((await finished(hub, "old")).output) == ["1.0", "2.0", "1.5"]


@pytest.mark.parametrize(
    ("strategy", "version", "runs"),
    [
        ("None", "9.0", True),
        ("Strict", "2.0", True),
        ("Strict", "1.0", False),
        ("CurrentOrOlder", "1.9", True),
        ("CurrentOrOlder", "2.0.1", False),
    ],
)
async def test_match_strategy_decides_what_runs(
    open_hub: OpenHub, app: AppInvoker, strategy: str, version: str, *, runs: bool
) -> None:
    """durable-functions-orchestration-versioning: versionMatchStrategy, versionFailureStrategy Fail"""

    @app.orchestrator
    def plain(context: df.DurableOrchestrationContext) -> Any:
        return "ran"
        yield

    hub = await open_hub(app, defaultVersion="2.0", versionMatchStrategy=strategy, versionFailureStrategy="Fail")
    await hub.client.start("plain", "p", None, version)
    row = await finished(hub, "p")
    assert row.status == ("Completed" if runs else "Failed")
    assert runs or "did not comply with Worker Versioning" in decoded(row.output)


async def test_rejected_version_waits_for_a_newer_worker(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-orchestration-versioning: versionFailureStrategy Reject"""

    @app.orchestrator
    def plain(context: df.DurableOrchestrationContext) -> Any:
        return context.version
        yield

    old = await open_hub(app, defaultVersion="1.0")
    await old.client.start("plain", "p", None, "2.0")
    await old.client.start("plain", "q", None)
    await finished(old, "q")
    assert (await old.client.status("p")).status == "Pending"
    await old.drain(1.0)
    new = await open_hub(app, defaultVersion="2.0")
    assert decoded((await finished(new, "p")).output) == "2.0"


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [("", None, 0), (None, "1", -1), ("1", "", 1), ("1.10", "1.9", 1), ("2.0", "2.0.0", -1), ("b", "A", 1)],
)  # fmt: skip
def test_versions_compare_as_durabletask_does(one: str | None, other: str | None, order: int) -> None:
    """VersioningSettings.CompareVersions"""
    assert compare(one, other) == order


async def test_retention_purges_what_has_finished(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-task-scheduler-auto-purge: retention by status"""

    @app.orchestrator
    def plain(context: df.DurableOrchestrationContext) -> Any:
        if context.get_input() == "bad":
            raise ValueError("kept")
        return None
        yield

    hub = await open_hub(app, storageProvider={"retentionPolicy": {"completed": 1 / 86400}})
    async with served(hub) as (client, _):
        await client.start_new("plain", "good", "fine")
        await client.start_new("plain", "failed", "bad")
        await eventually(lambda: _gone(hub, "good"))
        assert (await hub.client.status("failed")).status == "Failed"


@pytest.mark.parametrize(
    "settings",
    [
        {"overridableExistingInstanceStates": "Sometimes"},
        {"versionMatchStrategy": "Newer"},
        {"defaultVersion": 2},
        {"storageProvider": {"retentionPolicy": {"completed": 0}}},
        {"storageProvider": {"retentionPolicy": {"cancelled": 1}}},
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"host\.json: extensions\.durableTask\."):
        HubSettings.from_host_json(settings)


def test_retention_default_is_for_statuses_that_are_not_named() -> None:
    parsed = HubSettings.from_host_json({"storageProvider": {"retentionPolicy": {"default": 2, "failed": 5}}})
    assert parsed.retention == {
        "Completed": timedelta(days=2),
        "Failed": timedelta(days=5),
        "Terminated": timedelta(days=2),
    }


async def test_termination_leaves_children_and_activities_alone(open_hub: OpenHub, app: AppInvoker) -> None:
    """durable-functions-instance-management#terminate-instances: termination is not propagated"""
    release = app.gate()

    @app.activity
    async def slow(_: None) -> str:
        await release.wait()
        return "done"

    @app.orchestrator
    def child(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity("slow", None))

    @app.orchestrator
    def parent(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_sub_orchestrator("child", None, "the-child"))

    hub = await open_hub(app)
    async with served(hub) as (client, _):
        await client.start_new("parent", "p")
        await eventually(lambda: app.calls)
        await client.terminate("p", "enough")
        assert (await finished(hub, "p")).status == "Terminated"
        release.set()
        row = await finished(hub, "the-child")
    assert (row.status, decoded(row.output)) == ("Completed", "done")


async def _has(hub: Any, instance_id: str, status: str) -> bool:
    row = await hub.client.status(instance_id)
    return row is not None and row.status == status


async def _gone(hub: Any, instance_id: str) -> bool:
    return await hub.client.status(instance_id) is None


async def _replaced(hub: Any, instance_id: str, execution_id: Any) -> bool:
    return (await hub.client.status(instance_id)).execution_id != execution_id
