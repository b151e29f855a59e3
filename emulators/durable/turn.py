"""One turn of an orchestration, as pure functions: history + new events + the SDK's reply → what to commit.

Purpose: everything that decides what an orchestration does next is here, without clock, I/O or locks.
Rules:
- All pending events are taken in one turn; it is cut only behind an event at which a retry policy takes a
  sequence id, because the SDK takes that id while it handles the event (reference: RetryAbleTask).
- Ids of a turn: first the reply's new tasks in order, then the id that the retry policy takes.
- An orchestration ends (returns, raises or continues as new) only once no task is open; cancelled timers
  and external events are not tasks. Source: TaskOrchestrationExecutor.HasOpenTasks in Azure/durabletask.
- What breaks a rule of Azure fails the instance at once, with the sentence that says why.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emulators.durable.actions import (
    AskEntity,
    CallActivity,
    CallHttp,
    CallSubOrchestrator,
    CreateTimer,
    Reply,
    RetryPolicy,
    Task,
)
from emulators.durable.determinism import find_divergence
from emulators.durable.entities import OPERATION_EVENT, EntityId, Operation
from emulators.durable.execution import Execution, completed_id, opens
from emulators.durable.history import (
    HTTP_ACTIVITY,
    Event,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorCompleted,
    OrchestratorStarted,
    Retry,
    Scheduled,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    parse_utc,
    utc_text,
)
from emulators.durable.limits import (
    LimitExceededError,
    check_custom_status,
    check_instance_id,
    check_payload,
)
from emulators.durable.texts import storable

RUNNING, PENDING, SUSPENDED = "Running", "Pending", "Suspended"
COMPLETED, FAILED, TERMINATED = "Completed", "Failed", "Terminated"
CONTINUED_AS_NEW = "ContinuedAsNew"
FINISHED = frozenset({COMPLETED, FAILED, TERMINATED})


class RefusedError(Exception):
    """Azure would fail this orchestration; the message is what it would say."""


@dataclass(frozen=True, slots=True)
class Functions:
    """Names of the app's durable functions, found without regard to case as Azure finds them."""

    orchestrators: Mapping[str, str]
    activities: Mapping[str, str]
    entities: Mapping[str, str]
    default_version: str | None = None

    @classmethod
    def of(cls, orchestrators: Iterable[str], activities: Iterable[str], entities: Iterable[str] = ()) -> "Functions":
        """Index the names."""
        return cls(_by_lower_case(orchestrators), _by_lower_case(activities), _by_lower_case(entities))

    def find(self, kind: str, name: str) -> str:
        """The registered spelling of an orchestrator's, activity's or entity's name. Raises RefusedError."""
        names = {"orchestrator": self.orchestrators, "activity": self.activities, "entity": self.entities}
        return _find(names[kind], name, kind)

    def orchestrator(self, name: str) -> str:
        """The registered spelling of an orchestrator's name. Raises RefusedError."""
        return self.find("orchestrator", name)

    def activity(self, name: str) -> str:
        """The registered spelling of an activity's name. Raises RefusedError."""
        return self.find("activity", name)

    def entity(self, name: str) -> str:
        """The registered spelling of an entity's name. Raises RefusedError."""
        return self.find("entity", name)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn commits. `output` and `custom_status` are JSON texts; `restart_input` starts the next execution."""

    events: tuple[Event, ...]
    status: str
    output: str | None = None
    custom_status: str | None = None
    parent_event: Event | None = None
    restart_input: str | None = None

    @property
    def activities(self) -> list[TaskScheduled]:
        """Activities to run."""
        return [event for event in self.events if isinstance(event, TaskScheduled)]

    @property
    def children(self) -> list[SubOrchestrationCreated]:
        """Sub-orchestrations to start."""
        return [event for event in self.events if isinstance(event, SubOrchestrationCreated)]

    @property
    def operations(self) -> list[EventSent]:
        """Operations to send to entities."""
        return [event for event in self.events if isinstance(event, EventSent)]

    @property
    def timers(self) -> list[TimerCreated]:
        """Timers to wait for."""
        return [event for event in self.events if isinstance(event, TimerCreated) and not event.canceled]

    @property
    def canceled_timers(self) -> list[int]:
        """Sequence ids of timers to wait for no longer."""
        return [event.timer_id for event in self.events if isinstance(event, TimerCanceled)]


def opening(execution: Execution, events: Iterable[Event], now: datetime) -> tuple[Event, ...]:
    """The history that a turn begins with; its clock never runs behind an earlier turn or a timer that fired."""
    events = tuple(events)
    due = [parse_utc(event.fire_at) for event in events if isinstance(event, TimerFired)]
    first = [execution.start] if execution.is_fresh else []
    return (OrchestratorStarted(max(now, execution.clock, *due)), *first, *events)


def cut(execution: Execution, events: Iterable[Event]) -> int:
    """How many of the pending events one turn may take."""
    count = 0
    for count, event in enumerate(events, start=1):
        if _takes_retry_id(execution, event):
            return count
    return count


def conclude(execution: Execution, begun: tuple[Event, ...], reply: Reply, functions: Functions) -> Turn:
    """The turn that began with `begun` and got `reply`."""
    now = begun[0].timestamp
    try:
        check_custom_status(reply.custom_status)
        _check_determinism(execution, reply)
        new = _schedule(execution, begun, reply, functions)
    except (RefusedError, LimitExceededError) as refusal:
        return fail(execution, begun, str(refusal), reply)
    events = (*begun, *new, OrchestratorCompleted(now))
    if (reply.is_done or reply.error) and not _open_after(execution, events):
        return _finish(execution, events, reply)
    return Turn(events, RUNNING, custom_status=reply.custom_status)


def fail(execution: Execution, begun: tuple[Event, ...], message: str, reply: Reply | None = None) -> Turn:
    """The turn that ends the execution as Failed; `message` becomes its output."""
    message = storable(message)
    now = begun[0].timestamp
    output = json.dumps(message)
    return Turn(
        (*begun, ExecutionCompleted(now, FAILED, output), OrchestratorCompleted(now)),
        FAILED,
        output,
        reply.custom_status if reply else None,
        _failure_for_parent(execution, message, now),
    )


def terminate(execution: Execution, event: ExecutionTerminated, now: datetime) -> Turn:
    """The turn that an operator's termination takes, without asking the orchestrator."""
    begun = opening(execution, (event,), now)
    return Turn(
        (*begun, OrchestratorCompleted(begun[0].timestamp)),
        TERMINATED,
        json.dumps(event.reason),
        None,
        _failure_for_parent(execution, event.reason, begun[0].timestamp),
    )


def pause(execution: Execution, event: ExecutionSuspended, now: datetime) -> Turn:
    """The turn that an operator's suspension takes, without asking the orchestrator."""
    begun = opening(execution, (event,), now)
    return Turn((*begun, OrchestratorCompleted(begun[0].timestamp)), SUSPENDED)


def _check_determinism(execution: Execution, reply: Reply) -> None:
    divergence = find_divergence(execution, reply.tasks)
    if divergence is not None:
        raise RefusedError(divergence)


def _schedule(execution: Execution, begun: tuple[Event, ...], reply: Reply, functions: Functions) -> list[Event]:
    now = begun[0].timestamp
    events: list[Event] = [*_cancellations(execution, begun, reply.tasks)]
    seq = execution.next_seq
    for task in reply.tasks[len(execution.leaves) :]:
        events.append(_scheduled(execution, seq, task, now, functions))
        seq += 1
    if _takes_retry_id(execution, begun[-1]):
        events.append(_retried(execution, seq, begun[-1], now))
    return events


def _scheduled(execution: Execution, seq: int, task: Task, now: datetime, functions: Functions) -> Scheduled:
    match task:
        case CallActivity():
            name = functions.activity(task.name)
            check_payload(f"The input of activity function '{name}'", task.input)
            return TaskScheduled(now, seq, name, None, task.input, policy=_first_attempt(seq, task.retry))
        case CallSubOrchestrator():
            return _sub_orchestration(execution, seq, task, now, functions)
        case CreateTimer():
            return TimerCreated(now, seq, utc_text(task.fire_at), task.canceled)
        case CallHttp():
            check_payload("The request of call_http", task.request)
            return TaskScheduled(now, seq, HTTP_ACTIVITY, None, task.request)
        case AskEntity():
            return _entity_operation(execution, seq, task, now, functions)


def _entity_operation(
    execution: Execution, seq: int, task: AskEntity, now: datetime, functions: Functions
) -> EventSent:
    check_payload(f"The input of entity operation '{task.operation}'", task.input)
    try:
        entity = EntityId.parse(task.instance_id)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    functions.entity(entity.name)
    # An operation's input is the JSON text of a text, as an orchestration's is.
    text = None if task.input is None else json.dumps(task.input)
    start = execution.start
    operation = Operation(
        str(uuid.uuid5(uuid.NAMESPACE_OID, f"{start.execution_id}:{seq}")),
        task.operation,
        text,
        task.is_signal,
        start.instance_id,
        start.execution_id,
        task.fire_at,
    )
    return EventSent(now, seq, str(entity), OPERATION_EVENT, operation.to_text())


def _sub_orchestration(
    execution: Execution, seq: int, task: CallSubOrchestrator, now: datetime, functions: Functions
) -> SubOrchestrationCreated:
    name = functions.orchestrator(task.name)
    check_payload(f"The input of orchestrator function '{name}'", task.input)
    child = task.instance_id or _default_child_id(execution, seq)
    check_instance_id(child)
    # A call's input is the JSON text of a text, exactly as a client's is.
    text = None if task.input is None else json.dumps(task.input)
    version = task.version or functions.default_version
    return SubOrchestrationCreated(now, seq, name, version, child, text, policy=_first_attempt(seq, task.retry))


def _cancellations(execution: Execution, begun: tuple[Event, ...], tasks: tuple[Task, ...]) -> list[TimerCanceled]:
    fired = {completed_id(event) for event in begun}
    return [
        TimerCanceled(begun[0].timestamp, seq)
        for seq, task in zip(execution.leaves, tasks, strict=False)
        if isinstance(task, CreateTimer) and task.canceled and seq in execution.open and seq not in fired
    ]


def _first_attempt(seq: int, policy: RetryPolicy | None) -> Retry | None:
    return None if policy is None else Retry(seq, 1, policy.max_attempts, policy.interval_ms)


def _takes_retry_id(execution: Execution, event: Event) -> bool:
    """True if a retry policy schedules something because of `event`: the pause, or the next attempt."""
    policy = _policy(execution, event)
    if policy is None:
        return False
    if isinstance(event, TimerFired):
        return policy.attempt < policy.max_attempts
    return isinstance(event, TaskFailed | SubOrchestrationFailed)


def _policy(execution: Execution, event: Event) -> Retry | None:
    task_id = completed_id(event)
    scheduled = None if task_id is None else execution.scheduled.get(task_id)
    return None if scheduled is None else scheduled.policy


def _retried(execution: Execution, seq: int, event: Event, now: datetime) -> Scheduled:
    policy = _policy(execution, event)
    assert policy is not None
    if not isinstance(event, TimerFired):
        fire_at = now + timedelta(milliseconds=policy.interval_ms)
        return TimerCreated(now, seq, utc_text(fire_at), canceled=False, policy=policy)
    retry = replace(policy, attempt=policy.attempt + 1)
    leaf = execution.scheduled[policy.leaf]
    if isinstance(leaf, TaskScheduled):
        return TaskScheduled(now, seq, leaf.name, leaf.version, leaf.input, policy=retry)
    assert isinstance(leaf, SubOrchestrationCreated)
    child = leaf.instance_id
    if child == _default_child_id(execution, leaf.seq):
        child = _default_child_id(execution, seq)
    return SubOrchestrationCreated(now, seq, leaf.name, leaf.version, child, leaf.input, policy=retry)


def _default_child_id(execution: Execution, seq: int) -> str:
    return f"{execution.start.execution_id}:{seq}"


def _open_after(execution: Execution, events: Iterable[Event]) -> bool:
    remaining = set(execution.open)
    for event in events:
        if isinstance(event, Scheduled):
            if opens(event):
                remaining.add(event.seq)
        else:
            remaining.discard(task_id if (task_id := completed_id(event)) is not None else -1)
    return bool(remaining)


def _finish(execution: Execution, events: tuple[Event, ...], reply: Reply) -> Turn:
    begun, now = events[:-1], events[0].timestamp
    if reply.error:
        return fail(execution, begun, f"Orchestrator function '{execution.start.name}' failed: {reply.error}", reply)
    if reply.continue_as_new is not None:
        return _continue_as_new(execution, begun, reply)
    try:
        check_payload(f"The output of orchestrator function '{execution.start.name}'", reply.output)
    except LimitExceededError as refusal:
        return fail(execution, begun, str(refusal), reply)
    ended = (*begun, ExecutionCompleted(now, COMPLETED, reply.output), OrchestratorCompleted(now))
    return Turn(ended, COMPLETED, reply.output, reply.custom_status, _result_for_parent(execution, reply.output, now))


def _continue_as_new(execution: Execution, begun: tuple[Event, ...], reply: Reply) -> Turn:
    assert reply.continue_as_new is not None
    text = reply.continue_as_new.input
    try:
        check_payload(f"The input of orchestrator function '{execution.start.name}'", text)
    except LimitExceededError as refusal:
        return fail(execution, begun, str(refusal), reply)
    restart_input = None if text is None else json.dumps(text)
    return Turn(begun, CONTINUED_AS_NEW, custom_status=reply.custom_status, restart_input=restart_input)


def next_execution(start: ExecutionStarted, execution_id: str, turn: Turn, now: datetime) -> ExecutionStarted:
    """The first event of the execution that continues as new."""
    return ExecutionStarted(
        now, start.name, start.version, turn.restart_input, start.instance_id, execution_id, start.parent
    )


def _result_for_parent(execution: Execution, output: str | None, now: datetime) -> Event | None:
    parent = execution.start.parent
    return None if parent is None else SubOrchestrationCompleted(now, parent.task_id, output)


def _failure_for_parent(execution: Execution, reason: str, now: datetime) -> Event | None:
    parent = execution.start.parent
    return None if parent is None else SubOrchestrationFailed(now, parent.task_id, reason)


def _by_lower_case(names: Iterable[str]) -> dict[str, str]:
    return {name.casefold(): name for name in sorted(names)}


def _find(names: Mapping[str, str], name: str, kind: str) -> str:
    found = names.get(name.casefold())
    if found is not None:
        return found
    known = (
        f"The following are the known {kind} functions: '{"', '".join(names.values())}'."
        if names
        else f"No {kind} functions are currently registered!"
    )
    raise RefusedError(
        f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function. Additional info: {known}"
    )
