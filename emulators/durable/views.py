"""What operators and clients see of an instance: the extension's status JSON."""

import json
from collections.abc import Iterable
from typing import Any

from emulators.durable.history import (
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorCompleted,
    OrchestratorStarted,
    Scheduled,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    utc_text,
)
from emulators.durable.store import InstanceRow

_OUTPUT_KEYS = ("Result", "Input")


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


def history_view(events: Iterable[Event], *, show_output: bool) -> list[dict[str, Any]]:
    """The history for people: completions carry the name and time of what they complete.

    Scheduled tasks are shown once they are completed, as DurableClient.ConvertHistoryEvents does.
    """
    scheduled: dict[int, Scheduled] = {}
    shown = []
    for event in events:
        if isinstance(event, Scheduled):
            scheduled[event.seq] = event
        elif not isinstance(event, OrchestratorStarted | OrchestratorCompleted):
            shown.append(_event_view(event, scheduled, show_output))
    return shown


def _event_view(event: Event, scheduled: dict[int, Scheduled], show_output: bool) -> dict[str, Any]:
    view = {key: value for key, value in event.to_json().items() if key not in {"EventId", "IsPlayed", "Tags"}}
    view["EventType"] = _NAMES.get(type(event), type(event).__name__)
    task_id = view.pop("TaskScheduledId", view.pop("TimerId", None))
    if task_id in scheduled:
        view["ScheduledTime"] = utc_text(scheduled[task_id].timestamp)
        if scheduled[task_id].label:
            view["FunctionName"] = scheduled[task_id].label
    if isinstance(event, ExecutionStarted):
        view["FunctionName"] = view.pop("Name")
    return {key: value for key, value in view.items() if show_output or key not in _OUTPUT_KEYS}


_NAMES: dict[type[Event], str] = {
    SubOrchestrationCompleted: "SubOrchestrationInstanceCompleted",
    SubOrchestrationFailed: "SubOrchestrationInstanceFailed",
    ExecutionCompleted: "ExecutionCompleted",
    TaskCompleted: "TaskCompleted",
    TaskFailed: "TaskFailed",
    TimerFired: "TimerFired",
}


def _token(text: str | None) -> Any:
    return None if text is None else json.loads(text)
