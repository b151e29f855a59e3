"""One execution of an orchestration, folded from its history.

Purpose: a turn needs to know which sequence ids are taken, by what, and which are still open; this is
that knowledge, and it can be rebuilt from the stored history alone at any time.
Rules: `record` is the only way to change it, and only with events that are committed.
Sequence ids: one per leaf action in order, one per retry timer, one per retried attempt.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from emulators.durable.history import (
    Event,
    EventSent,
    ExecutionStarted,
    OrchestratorStarted,
    Scheduled,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    slim,
)

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Execution:
    """What is known of one execution; `chunks` counts the stored pieces of its history.

    Its incarnation began with the execution that a client or a parent started, by default this one.
    """

    start: ExecutionStarted
    incarnation: str = ""
    scheduled: dict[int, Scheduled] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    next_seq: int = 0
    chunks: int = 0
    clock: datetime = _BEGINNING
    slim_history: list[bytes] = field(default_factory=list)
    slim_bytes: int = 0

    def __post_init__(self) -> None:
        self.incarnation = self.incarnation or self.start.execution_id

    @classmethod
    def restore(cls, chunks: Iterable[list[Event]], incarnation: str = "") -> "Execution":
        """Rebuild from the stored history. Raises ValueError if it does not begin with ExecutionStarted."""
        execution: Execution | None = None
        for chunk in chunks:
            if execution is None:
                execution = cls(_first_start(chunk), incarnation)
            execution.record(chunk)
        if execution is None:
            raise ValueError("an execution without history cannot be restored")
        return execution

    @property
    def is_fresh(self) -> bool:
        """True until the first turn is committed."""
        return self.chunks == 0

    def record(self, events: Iterable[Event]) -> None:
        """Take in one committed chunk of history."""
        events = tuple(events)
        for event in events:
            self._fold(event)
        fragments = slim(events)
        self.slim_history += fragments
        self.slim_bytes += sum(map(len, fragments))
        self.chunks += 1

    def accepts(self, event: Event) -> bool:
        """False for a completion of a task that is not open: it came twice, or after its cancellation."""
        task_id = completed_id(event)
        return task_id is None or task_id in self.open

    def _fold(self, event: Event) -> None:
        if isinstance(event, Scheduled):
            self._fold_scheduled(event)
        elif isinstance(event, OrchestratorStarted):
            self.clock = max(self.clock, event.timestamp)
        else:
            self.open.discard(task_id if (task_id := completed_id(event)) is not None else -1)

    def _fold_scheduled(self, event: Scheduled) -> None:
        self.scheduled[event.seq] = event
        self.next_seq = max(self.next_seq, event.seq + 1)
        if is_leaf(event):
            self.leaves.append(event.seq)
        if opens(event):
            self.open.add(event.seq)


def is_leaf(event: Scheduled) -> bool:
    """True for a task that the orchestrator asked for, False for one that a retry policy added."""
    policy = event.policy
    return policy is None or (policy.attempt == 1 and not isinstance(event, TimerCreated))


def opens(event: Scheduled) -> bool:
    """True if the orchestration must not end before this task does."""
    if isinstance(event, TimerCreated):
        return not event.canceled
    return not isinstance(event, EventSent)


def completed_id(event: Event) -> int | None:
    """The sequence id that an event completes, if it completes one."""
    if isinstance(event, TaskCompleted | TaskFailed | SubOrchestrationCompleted | SubOrchestrationFailed):
        return event.task_id
    return event.timer_id if isinstance(event, TimerFired | TimerCanceled) else None


def _first_start(events: Iterable[Event]) -> ExecutionStarted:
    for event in events:
        if isinstance(event, ExecutionStarted):
            return event
    raise ValueError("the history does not begin with ExecutionStarted")
