"""The events of an orchestration's history, and their two JSON forms.

Purpose: what an orchestration did is the list of these events and nothing else; replay reads it.
Rules: events never change once recorded. The full form is stored and shown to operators; the slim form
is what the SDK's replay needs and nothing more, because its cost is the engine's speed limit (the SDK
parses every `Timestamp` with dateutil but reads only that of OrchestratorStarted).
Field names are the extension's (PascalCase); source: DurableTask.Core.History.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import orjson

from emulators.durable.events import Event, Parent, Retry, Scheduled, parse_utc, utc_text

__all__ = [
    "HTTP_ACTIVITY",
    "Event",
    "EventRaised",
    "EventSent",
    "ExecutionCompleted",
    "ExecutionResumed",
    "ExecutionRewound",
    "ExecutionStarted",
    "ExecutionSuspended",
    "ExecutionTerminated",
    "GenericEvent",
    "OrchestratorCompleted",
    "OrchestratorStarted",
    "Parent",
    "Retry",
    "Scheduled",
    "SubOrchestrationCompleted",
    "SubOrchestrationCreated",
    "SubOrchestrationFailed",
    "TaskCompleted",
    "TaskFailed",
    "TaskScheduled",
    "TimerCanceled",
    "TimerCreated",
    "TimerFired",
    "dump_events",
    "event_from_json",
    "parse_utc",
    "slim",
    "utc_text",
]


# The name under which the extension schedules `call_http` (HttpOptions.HttpTaskActivityReservedName).
HTTP_ACTIVITY = "BuiltIn::HttpActivity"


@dataclass(frozen=True, slots=True)
class OrchestratorStarted(Event):
    """A turn began; its timestamp is the orchestrator's `current_utc_datetime`."""

    EVENT_TYPE: ClassVar[int] = 12

    def to_slim_json(self) -> dict[str, Any]:
        return self._head(self.timestamp.strftime("%Y%m%dT%H%M%S.%fZ"))


@dataclass(frozen=True, slots=True)
class OrchestratorCompleted(Event):
    """A turn ended."""

    EVENT_TYPE: ClassVar[int] = 13
    SLIM: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ExecutionStarted(Event):
    """The first event of an execution; `input` is a JSON text or None."""

    EVENT_TYPE: ClassVar[int] = 0

    name: str
    version: str | None
    input: str | None
    instance_id: str
    execution_id: str
    parent: Parent | None = None

    def to_json(self) -> dict[str, Any]:
        return self._head(utc_text(self.timestamp)) | {
            "Name": self.name,
            "Version": self.version,
            "Input": self.input,
            "OrchestrationInstance": _instance_json(self.instance_id, self.execution_id),
            "ParentInstance": self._parent_json(),
            "Tags": None,
        }

    def to_slim_json(self) -> dict[str, Any]:
        # The SDK reads the input from the trigger itself, so a large one need not be sent twice.
        return self._head("1") | {"Name": self.name, "Version": self.version}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        instance = data["OrchestrationInstance"]
        return cls(
            parse_utc(data["Timestamp"]),
            data["Name"],
            data["Version"],
            data["Input"],
            instance["InstanceId"],
            instance["ExecutionId"],
            _parent_from_json(data.get("ParentInstance")),
        )

    def _parent_json(self) -> dict[str, Any] | None:
        if self.parent is None:
            return None
        return {
            "Name": self.parent.name,
            "OrchestrationInstance": _instance_json(self.parent.instance_id, self.parent.execution_id),
            "TaskScheduleId": self.parent.task_id,
        }


@dataclass(frozen=True, slots=True)
class TaskScheduled(Scheduled):
    """An activity call; `input` is the JSON text of its argument."""

    EVENT_TYPE: ClassVar[int] = 4
    WHAT: ClassVar[str] = "activity"
    LABEL: ClassVar[str] = "name"

    name: str
    version: str | None
    input: str | None


@dataclass(frozen=True, slots=True)
class SubOrchestrationCreated(Scheduled):
    """A sub-orchestration call; `input` is the JSON text of the child's input."""

    EVENT_TYPE: ClassVar[int] = 7
    WHAT: ClassVar[str] = "sub-orchestration"
    LABEL: ClassVar[str] = "name"

    name: str
    version: str | None
    instance_id: str
    input: str | None


@dataclass(frozen=True, slots=True)
class TimerCreated(Scheduled):
    """A timer, of the orchestrator or (with `retry`) of a retry policy; `fire_at` in UTC."""

    EVENT_TYPE: ClassVar[int] = 10
    WHAT: ClassVar[str] = "timer"

    fire_at: str
    canceled: bool = False


@dataclass(frozen=True, slots=True)
class EventSent(Scheduled):
    """A message to an entity: `instance_id` is `@name@key`, `input` the request message's JSON."""

    EVENT_TYPE: ClassVar[int] = 14
    SLIM: ClassVar[bool] = True
    WHAT: ClassVar[str] = "entity operation"
    LABEL: ClassVar[str] = "instance_id"

    instance_id: str
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class _Success(Event):
    task_id: int
    result: str | None


@dataclass(frozen=True, slots=True)
class _Failure(Event):
    task_id: int
    reason: str
    details: str = ""


class TaskCompleted(_Success):
    """An activity returned; `result` is a JSON text."""

    EVENT_TYPE: ClassVar[int] = 5
    __slots__ = ()


class TaskFailed(_Failure):
    """An activity raised; the SDK shows reason and details as one message."""

    EVENT_TYPE: ClassVar[int] = 6
    __slots__ = ()


class SubOrchestrationCompleted(_Success):
    """A sub-orchestration returned; `result` is a JSON text or None."""

    EVENT_TYPE: ClassVar[int] = 8
    __slots__ = ()


class SubOrchestrationFailed(_Failure):
    """A sub-orchestration failed or was terminated."""

    EVENT_TYPE: ClassVar[int] = 9
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TimerFired(Event):
    """A timer's time came."""

    EVENT_TYPE: ClassVar[int] = 11

    timer_id: int
    fire_at: str


@dataclass(frozen=True, slots=True)
class TimerCanceled(Event):
    """The orchestrator cancelled an open timer; a generic event, which every reader of histories skips."""

    EVENT_TYPE: ClassVar[int] = 17
    SLIM: ClassVar[bool] = False

    timer_id: int


@dataclass(frozen=True, slots=True)
class EventRaised(Event):
    """An external event arrived; `input` is a JSON text."""

    EVENT_TYPE: ClassVar[int] = 15

    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class ExecutionCompleted(Event):
    """The execution ended as Completed or Failed; `result` is its output's JSON text."""

    EVENT_TYPE: ClassVar[int] = 1

    status: str
    result: str | None


@dataclass(frozen=True, slots=True)
class _Operation(Event):
    reason: str


class ExecutionTerminated(_Operation):
    """An operator ended the execution."""

    EVENT_TYPE: ClassVar[int] = 3
    RENAMED: ClassVar[Mapping[str, str]] = {"reason": "Input"}
    __slots__ = ()


class ExecutionSuspended(_Operation):
    """An operator paused the execution."""

    EVENT_TYPE: ClassVar[int] = 19
    __slots__ = ()


class ExecutionResumed(_Operation):
    """An operator let the execution go on."""

    EVENT_TYPE: ClassVar[int] = 20
    __slots__ = ()


class ExecutionRewound(_Operation):
    """An operator took a failure back: what is open runs again."""

    EVENT_TYPE: ClassVar[int] = 21
    SLIM: ClassVar[bool] = False
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class GenericEvent(Event):
    """An entry that no replay reads; `data` is a note for people on what was here before."""

    EVENT_TYPE: ClassVar[int] = 17
    SLIM: ClassVar[bool] = False

    data: str


_CLASSES: dict[int, type[Event]] = {
    cls.EVENT_TYPE: cls
    for cls in (
        OrchestratorStarted,
        OrchestratorCompleted,
        ExecutionStarted,
        TaskScheduled,
        TaskCompleted,
        TaskFailed,
        SubOrchestrationCreated,
        SubOrchestrationCompleted,
        SubOrchestrationFailed,
        TimerCreated,
        TimerFired,
        TimerCanceled,
        EventSent,
        EventRaised,
        ExecutionCompleted,
        ExecutionTerminated,
        ExecutionSuspended,
        ExecutionResumed,
        ExecutionRewound,
    )
}


def event_from_json(data: dict[str, Any]) -> Event:
    """The event that `to_json` wrote."""
    if data["EventType"] == GenericEvent.EVENT_TYPE and "Data" in data:
        return GenericEvent.from_json(data)
    return _CLASSES[data["EventType"]].from_json(data)


def dump_events(events: Iterable[Event]) -> bytes:
    """The full form of several events as one JSON array."""
    return orjson.dumps([event.to_json() for event in events])


def slim(events: Iterable[Event]) -> list[bytes]:
    """The slim form of the events that a replay needs, one JSON text each."""
    return [orjson.dumps(event.to_slim_json()) for event in events if event.SLIM]


def _instance_json(instance_id: str, execution_id: str) -> dict[str, str]:
    return {"InstanceId": instance_id, "ExecutionId": execution_id}


def _parent_from_json(data: dict[str, Any] | None) -> Parent | None:
    if data is None:
        return None
    instance = data["OrchestrationInstance"]
    return Parent(instance["InstanceId"], instance["ExecutionId"], data["Name"], data["TaskScheduleId"])
