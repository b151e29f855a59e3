"""A history as people read it: one line an event, with what it completes and how long that took.

Rules: payloads are never shown, only their size: histories hold personal data, and a time line is pasted
into tickets. Turns themselves are left out; what happened in them is shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from emulators.durable.events import utc_text
from emulators.durable.execution import completed_id
from emulators.durable.history import (
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    Scheduled,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerCreated,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line: when (UTC), how long after the start (seconds), what, of which task, and how long that took."""

    at: datetime
    after_s: float
    what: str
    name: str
    task: int | None
    took_s: float | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The line for programs."""
        return asdict(self) | {"at": utc_text(self.at)}


def timeline(events: Iterable[Event]) -> Iterator[Moment]:
    """The lines of a history, oldest first."""
    began: datetime | None = None
    scheduled: dict[int, Scheduled] = {}
    for event in events:
        began = began or event.timestamp
        if isinstance(event, Scheduled):
            scheduled[event.seq] = event
        if not isinstance(event, OrchestratorStarted | OrchestratorCompleted):
            yield _moment(event, began, scheduled)


def masked(text: str | None) -> str:
    """What may be shown of a payload."""
    return "none" if text is None else f"•••• ({len(text.encode('utf-8', 'replace')):,} bytes)"


def _moment(event: Event, began: datetime, scheduled: dict[int, Scheduled]) -> Moment:
    task = event.seq if isinstance(event, Scheduled) else completed_id(event)
    cause = scheduled.get(task) if task is not None else None
    took_s = None
    if cause is not None and cause is not event:
        took_s = max(0.0, (event.timestamp - cause.timestamp).total_seconds())
    after_s = (event.timestamp - began).total_seconds()
    name = cause.label if cause is not None else _name(event)
    return Moment(event.timestamp, after_s, type(event).__name__, name, task, took_s, _detail(event))


def _name(event: Event) -> str:
    return event.name if isinstance(event, ExecutionStarted | EventRaised) else ""


def _detail(event: Event) -> str:
    match event:
        case ExecutionStarted():
            version = f"version {event.version}, " if event.version else ""
            return f"{version}input {masked(event.input)}"
        case SubOrchestrationCreated():
            return f"instance {event.instance_id}, input {masked(event.input)}{_attempt(event)}"
        case TimerCreated():
            return f"until {event.fire_at}{', cancelled' if event.canceled else ''}{_attempt(event)}"
        case EventRaised() | EventSent():
            return f"input {masked(event.input)}"
        case Scheduled():
            return f"input {masked(getattr(event, 'input', None))}{_attempt(event)}"
    return _outcome(event)


def _outcome(event: Event) -> str:
    match event:
        case TaskCompleted() | SubOrchestrationCompleted():
            return f"result {masked(event.result)}"
        case TaskFailed() | SubOrchestrationFailed():
            return f"reason {masked(event.reason)}"
        case ExecutionCompleted():
            return f"{event.status}, output {masked(event.result)}"
        case ExecutionTerminated() | ExecutionSuspended() | ExecutionResumed() | ExecutionRewound():
            return f"reason: {event.reason}"
        case GenericEvent():
            return event.data
    return ""


def _attempt(event: Scheduled) -> str:
    policy = event.policy
    return "" if policy is None else f", attempt {policy.attempt} of {policy.max_attempts}"
