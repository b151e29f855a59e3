"""One instance in a worker's memory: what waits for it, and which step it takes next.

Rules: a termination goes before everything else. A suspended instance keeps what arrives until it is
resumed. Messages for an execution that is over are consumed without effect, and so are completions of
tasks that are not open. Which execution is the current one is for the instance's row to say; it has to be
asked only if what waits is not all for the same one (`in_question`). Otherwise one turn takes all that
waits, up to the next suspension and to where the protocol cuts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from emulators.durable.execution import Execution, completed_id
from emulators.durable.history import (
    Event,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    TaskCompleted,
    TaskFailed,
)
from emulators.durable.records import Incoming
from emulators.durable.turn import cut


@dataclass(slots=True)
class Actor:
    """An instance; `execution` is None while its history is not in memory."""

    instance_id: str
    partition: int
    pending: list[Incoming] = field(default_factory=list)
    execution: Execution | None = None
    suspended: bool = False
    driven: bool = False
    failures: int = 0

    @property
    def execution_id(self) -> str | None:
        """The id of the execution in memory."""
        return self.execution.start.execution_id if self.execution is not None else None

    @property
    def in_question(self) -> bool:
        """True if only the instance's row says which execution is the current one: something waits for another
        execution than the one in memory, or than the one that the only start which waits would begin.
        """
        execution = self.execution or self.fresh()
        if execution is None:
            return True
        # An outcome is never newer than its execution's start, so it is stale if it is for another one.
        decisive = (i for i in self.pending if i.execution_id is None or isinstance(i.event, ExecutionStarted))
        return not all(incoming.is_for(execution.start.execution_id, execution.incarnation) for incoming in decisive)

    def fresh(self, execution_id: str | None = None) -> Execution | None:
        """The execution that a waiting start begins: this one, or the first."""
        for incoming in self.pending:
            if isinstance(incoming.event, ExecutionStarted) and execution_id in (None, incoming.execution_id):
                return Execution(incoming.event, incoming.incarnation or "")
        return None

    def drop(self, handled: Sequence[Incoming]) -> None:
        """These are dealt with."""
        done = set(map(id, handled))
        self.pending = [incoming for incoming in self.pending if id(incoming) not in done]


@dataclass(frozen=True, slots=True)
class Terminate:
    """End the execution."""

    event: ExecutionTerminated
    handled: Sequence[Incoming]


@dataclass(frozen=True, slots=True)
class Suspend:
    """Pause the execution."""

    event: ExecutionSuspended
    handled: Sequence[Incoming]


@dataclass(frozen=True, slots=True)
class Advance:
    """Ask the orchestrator."""

    events: Sequence[Event]
    handled: Sequence[Incoming]


@dataclass(frozen=True, slots=True)
class Discard:
    """Nothing of this has an effect any more."""

    handled: Sequence[Incoming]


@dataclass(frozen=True, slots=True)
class Park:
    """Keep these outcomes in the inbox until the execution is resumed."""

    outcomes: Sequence[Incoming]


type Step = Terminate | Suspend | Advance | Discard | Park


def next_step(actor: Actor, execution: Execution) -> Step | None:
    """The step to take now; None if everything that waits has to wait on."""
    stale = [incoming for incoming in actor.pending if _is_stale(execution, incoming)]
    if stale:
        return Discard(stale)
    for incoming in actor.pending:
        if isinstance(incoming.event, ExecutionTerminated):
            return Terminate(incoming.event, list(actor.pending))
    if actor.suspended and not _resumed(actor):
        return _while_suspended(actor)
    waiting = _until_suspension(actor)
    if not waiting or (execution.is_fresh and len(waiting) < len(actor.pending)):
        return _suspend(actor)
    return _advance(execution, waiting)


def _suspend(actor: Actor) -> Suspend:
    """Suspend; an execution that has not begun yet is recorded as started, but not asked."""
    suspension = next(incoming for incoming in actor.pending if isinstance(incoming.event, ExecutionSuspended))
    starts = [incoming for incoming in actor.pending if isinstance(incoming.event, ExecutionStarted)]
    assert isinstance(suspension.event, ExecutionSuspended)
    return Suspend(suspension.event, [suspension, *starts])


def _while_suspended(actor: Actor) -> Step | None:
    again = [incoming for incoming in actor.pending if isinstance(incoming.event, ExecutionSuspended)]
    if again:
        return Discard(again)
    outcomes = [
        incoming
        for incoming in actor.pending
        if incoming.message is None and isinstance(incoming.event, TaskCompleted | TaskFailed)
    ]
    return Park(outcomes) if outcomes else None


def _resumed(actor: Actor) -> bool:
    return any(isinstance(incoming.event, ExecutionResumed) for incoming in actor.pending)


def _until_suspension(actor: Actor) -> list[Incoming]:
    """What waits before the next suspension; a resumption that ends the present one goes first."""
    waiting = list(actor.pending)
    if actor.suspended:
        first = next(i for i, incoming in enumerate(waiting) if isinstance(incoming.event, ExecutionResumed))
        waiting.insert(0, waiting.pop(first))
    for index, incoming in enumerate(waiting):
        if isinstance(incoming.event, ExecutionSuspended):
            return waiting[:index]
    return waiting


def _advance(execution: Execution, waiting: Sequence[Incoming]) -> Step:
    effective: list[Incoming] = []
    idle: list[Incoming] = []
    seen: set[int] = set()
    for incoming in waiting:
        task_id = completed_id(incoming.event)
        counts = execution.accepts(incoming.event) and task_id not in seen
        (effective if counts else idle).append(incoming)
        seen |= set() if task_id is None else {task_id}
    if not effective:
        return Discard(idle)
    taken = effective[: cut(execution, [incoming.event for incoming in effective])]
    events = [incoming.event for incoming in taken if not isinstance(incoming.event, ExecutionStarted)]
    return Advance(events, [*taken, *idle])


def _is_stale(execution: Execution, incoming: Incoming) -> bool:
    return not incoming.is_for(execution.start.execution_id, execution.incarnation)
