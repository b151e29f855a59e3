"""What operators and clients see of an instance: the extension's status JSON."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from emulators.durable.history import (
    Event,
    ExecutionStarted,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerFired,
    utc_text,
)
from emulators.durable.store import InstanceRow


def status_view(row: InstanceRow, *, show_input: bool) -> dict[str, Any]:
    """The status JSON; times in UTC with microseconds."""
    return {
        "name": row.name,
        "instanceId": row.instance_id,
        "runtimeStatus": row.status,
        "input": _token(row.input) if show_input else None,
        "customStatus": _token(row.custom_status),
        "output": _token(row.output),
        "createdTime": utc_text(row.created_at),
        "lastUpdatedTime": utc_text(row.updated_at),
    }


def history_view(events: Iterable[Event], *, show_input: bool, show_output: bool) -> list[dict[str, Any]]:
    """The history for people, converted as by DurableClient.GetOrchestrationInstanceStateAsync of the extension.

    A completed task is one entry, with the name and time of its scheduling. Results are JSON values, inputs are texts.
    """
    history = [event for event in events if not isinstance(event, _HIDDEN)]
    scheduled = {event.seq: event for event in history if isinstance(event, TaskScheduled | SubOrchestrationCreated)}
    completed = {event.task_id for event in history if isinstance(event, _COMPLETIONS)}
    shown = [event for event in history if getattr(event, "seq", None) not in completed]
    return [_event_view(event, scheduled, show_input=show_input, show_output=show_output) for event in shown]


def _event_view(
    event: Event,
    scheduled: Mapping[int, TaskScheduled | SubOrchestrationCreated],
    *,
    show_input: bool,
    show_output: bool,
) -> dict[str, Any]:
    view = event.to_json() | {"EventType": _NAMES.get(type(event), type(event).__name__)}
    if isinstance(event, _COMPLETIONS) and (task := scheduled.get(event.task_id)) is not None:
        view |= {"ScheduledTime": utc_text(task.timestamp), "FunctionName": task.name, "Input": task.input}
    if isinstance(event, ExecutionStarted):
        view["FunctionName"] = event.name
    if "Result" in view:
        view["Result"] = _token(view["Result"])
    left_out = {*_LEFT_OUT, *_LEFT_OUT_OF.get(type(event), ())}
    left_out |= {name for name, wanted in (("Input", show_input), ("Result", show_output)) if not wanted}
    return {name: value for name, value in view.items() if name not in left_out}


_COMPLETIONS = (TaskCompleted, TaskFailed, SubOrchestrationCompleted, SubOrchestrationFailed)
# Of every turn, and the engine's own mark of a cancelled timer, which the extension does not keep.
_HIDDEN = (OrchestratorStarted, OrchestratorCompleted, TimerCanceled)
_LEFT_OUT = ("Canceled", "EventId", "IsPlayed", "Retry", "TaskScheduledId")
_LEFT_OUT_OF: dict[type[Event], tuple[str, ...]] = {
    ExecutionStarted: ("Name", "OrchestrationInstance", "ParentInstance", "Version", "Tags"),
    SubOrchestrationCreated: ("Version",),
    TaskScheduled: ("Version",),
    TimerFired: ("TimerId",),
}
_NAMES: dict[type[Event], str] = {
    SubOrchestrationCreated: "SubOrchestrationInstanceCreated",
    SubOrchestrationCompleted: "SubOrchestrationInstanceCompleted",
    SubOrchestrationFailed: "SubOrchestrationInstanceFailed",
}


def _token(text: str | None) -> Any:
    return None if text is None else json.loads(text)
