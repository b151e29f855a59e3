"""Rewinding a failed instance: the history without its failures, and the work that is open again.

Rules: the end of the execution and the failures of its tasks become generic events, which every replay skips;
a task keeps its sequence id and runs again. Of a task with a retry policy only the last attempt is taken
back, together with the pause after it; earlier attempts and their pauses stay, because ids were given out
between them. A failure that a retry made good stays as well.
Source: AzureTableTrackingStore.RewindHistoryAsync in Azure/durabletask. It also replaces TaskScheduled, which
the engine then writes again under the same id; here that event stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulators.durable.execution import Execution
from emulators.durable.history import (
    Event,
    ExecutionCompleted,
    GenericEvent,
    Scheduled,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)


@dataclass(frozen=True, slots=True)
class Rewound:
    """The new chunks of a history, and what is open in it."""

    chunks: tuple[tuple[Event, ...], ...]
    execution: Execution

    @property
    def tasks(self) -> list[TaskScheduled]:
        """Activities to run again."""
        return [event for event in self._open() if isinstance(event, TaskScheduled)]

    @property
    def timers(self) -> list[TimerCreated]:
        """Timers to wait for again."""
        return [event for event in self._open() if isinstance(event, TimerCreated)]

    @property
    def children(self) -> list[SubOrchestrationCreated]:
        """Sub-orchestrations that are waited for again."""
        return [event for event in self._open() if isinstance(event, SubOrchestrationCreated)]

    def _open(self) -> list[Scheduled]:
        return [self.execution.scheduled[seq] for seq in sorted(self.execution.open)]


def rewind(chunks: Sequence[Sequence[Event]]) -> Rewound:
    """The history of a failed execution as it is after the rewinding."""
    events = [event for chunk in chunks for event in chunk]
    gone = _taken_back(events)
    rewritten = tuple(tuple(_forgotten(event) if id(event) in gone else event for event in chunk) for chunk in chunks)
    return Rewound(rewritten, Execution.restore([list(chunk) for chunk in rewritten]))


def _taken_back(events: Sequence[Event]) -> set[int]:
    """The identities of the events that the rewinding replaces."""
    scheduled = {event.seq: event for event in events if isinstance(event, Scheduled)}
    attempts = _last_attempts(scheduled.values())
    gone = {id(event) for event in events if isinstance(event, ExecutionCompleted)}
    for index, event in enumerate(events):
        if not isinstance(event, TaskFailed | SubOrchestrationFailed):
            continue
        policy = scheduled[event.task_id].policy
        if policy is None:
            gone.add(id(event))
        elif attempts[policy.leaf] == event.task_id:
            gone |= {id(event), *_pause_after(events[index:], policy.leaf)}
    return gone


def _last_attempts(scheduled: Iterable[Scheduled]) -> dict[int, int]:
    """The sequence id of the last attempt of each task with a retry policy."""
    last: dict[int, int] = {}
    for event in scheduled:
        if event.policy is not None and not isinstance(event, TimerCreated):
            last[event.policy.leaf] = max(last.get(event.policy.leaf, -1), event.seq)
    return last


def _pause_after(events: Iterable[Event], leaf: int) -> set[int]:
    """The timer that a retry policy set after its last attempt, and its firing."""
    gone: set[int] = set()
    timer: int | None = None
    for event in events:
        if isinstance(event, TimerCreated) and event.policy is not None and event.policy.leaf == leaf:
            timer = event.seq
            gone.add(id(event))
        elif isinstance(event, TimerFired) and event.timer_id == timer:
            gone.add(id(event))
    return gone


def _forgotten(event: Event) -> GenericEvent:
    return GenericEvent(event.timestamp, f"Rewound: {type(event).__name__}")
