"""Turns as rows: what one turn inserts, updates and deletes, as pure functions.

Rules: rows are grouped by the parameter of `commit_turns` that takes them; ids of messages and new
executions are made here, so that a commit needs no answer before what it created can be delivered.
"""

import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from emulators.durable.entities import Batch, EntityId, Operation, request, response
from emulators.durable.execution import Execution
from emulators.durable.history import (
    Event,
    ExecutionStarted,
    Parent,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerCreated,
    TimerFired,
    dump_events,
    utc_text,
)
from emulators.durable.turn import CONTINUED_AS_NEW, FINISHED, RUNNING, Turn, next_execution

GROUPS = (
    "turns",
    "tasks",
    "finished_tasks",
    "timers",
    "finished_timers",
    "handled",
    "children",
    "messages",
    "delayed",
    "entities",
    "removed_entities",
    "postponed",
)


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """An event for an instance: from the inbox (`message`), or from this process's activities and timers.

    It is for one execution, or for whatever execution its `incarnation` has come to. A start names both.
    """

    event: Event
    execution_id: str | None
    message: uuid.UUID | None = None
    incarnation: str | None = None

    def is_for(self, execution_id: str, incarnation: str) -> bool:
        """True if this execution may take the event."""
        if self.execution_id is not None:
            return self.execution_id == execution_id
        return self.incarnation is None or self.incarnation == incarnation


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to another instance, and what is delivered instead if a child cannot be born."""

    partition: int
    instance_id: str
    incoming: Incoming
    refusal: "Letter | None" = None

    @property
    def message(self) -> uuid.UUID:
        """The id of the inbox row; a refusal has that of the letter it replaces."""
        assert self.incoming.message is not None
        return self.incoming.message

    def addressed(self, incarnation: uuid.UUID | None) -> "Letter":
        """The letter, for this incarnation of its instance; entities have none."""
        if incarnation is None:
            return self
        return replace(self, incoming=replace(self.incoming, incarnation=str(incarnation)))


@dataclass(slots=True)
class Commit:
    """One instance's part of a group commit, valid under (partition, epoch), and while `turn_of` is its execution."""

    partition: int
    epoch: int
    turn_of: str | None = None
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {group: [] for group in GROUPS})
    letters: list[Letter] = field(default_factory=list)


def partition_of(instance_id: str, partitions: int) -> int:
    """The partition that an instance lives in."""
    return zlib.crc32(instance_id.encode()) % partitions


def consume(commit: Commit, execution_id: str | None, handled: Iterable[Incoming]) -> None:
    """Delete what stood for the events that were handled."""
    for incoming in handled:
        owner = incoming.execution_id or execution_id
        event = incoming.event
        if incoming.message is not None:
            commit.rows["handled"].append({"partition": commit.partition, "message": incoming.message})
        elif isinstance(event, TaskCompleted | TaskFailed):
            commit.rows["finished_tasks"].append(_task_key(commit, owner, event.task_id))
        elif isinstance(event, TimerFired):
            commit.rows["finished_timers"].append(_task_key(commit, owner, event.timer_id))


def park(commit: Commit, instance_id: str, incoming: Incoming) -> Incoming:
    """Keep an activity's outcome in the inbox because its instance takes no turn now."""
    parked = Incoming(incoming.event, incoming.execution_id, uuid.uuid4())
    consume(commit, None, [incoming])
    commit.rows["messages"].append(_message(commit, Letter(commit.partition, instance_id, parked)))
    return parked


def record(commit: Commit, execution: Execution, turn: Turn, partitions: int) -> None:
    """Everything that a turn changes."""
    start = execution.start
    commit.turn_of = start.execution_id
    for sent in turn.operations:
        assert sent.input is not None
        send_operation(commit, sent.instance_id, Operation.from_text(sent.input), sent.timestamp, partitions)
    if turn.status == CONTINUED_AS_NEW:
        _record_restart(commit, execution, turn)
    else:
        commit.rows["turns"].append(_turn_row(commit, execution, turn) | {"status": turn.status})
        _record_tasks(commit, execution, turn)
        for child in turn.children:
            _record_child(commit, start, child, partitions)
    if turn.parent_event is not None and start.parent is not None:
        parent = start.parent
        incoming = Incoming(turn.parent_event, parent.execution_id, uuid.uuid4())
        _send(commit, Letter(partition_of(parent.instance_id, partitions), parent.instance_id, incoming))


def send_operation(commit: Commit, target: str, operation: Operation, now: datetime, partitions: int) -> None:
    """Send an operation to an entity, now or when it is due."""
    letter = Letter(partition_of(target, partitions), target, Incoming(request(operation, now), None, uuid.uuid4()))
    if operation.due is None or operation.due <= now:
        _send(commit, letter)
    else:
        commit.rows["delayed"].append(_message(commit, letter) | {"due_at": utc_text(operation.due)})


def record_batch(
    commit: Commit, entity: EntityId, operations: Iterable[Operation], batch: Batch, now: datetime, partitions: int
) -> None:
    """Everything that one call of an entity function changes."""
    row = {"partition": commit.partition, "instance_id": str(entity)}
    if batch.after.exists:
        commit.rows["entities"].append(row | {"state": batch.after.state, "updated_at": utc_text(now)})
    else:
        commit.rows["removed_entities"].append(row)
    for operation, result in zip(operations, batch.results, strict=True):
        if not operation.is_signal and operation.parent is not None:
            answer = Incoming(response(operation, result, now), operation.parent_execution, uuid.uuid4())
            _send(commit, Letter(partition_of(operation.parent, partitions), operation.parent, answer))
    for sent in batch.signals:
        send_operation(commit, str(sent.target), sent.operation, now, partitions)


def postpone(commit: Commit, execution_id: str, seq: int, text: str, due_at: datetime) -> None:
    """Let a scheduled activity go on later with another input."""
    key = _task_key(commit, execution_id, seq)
    commit.rows["postponed"].append(key | {"input": text, "due_at": utc_text(due_at)})


def end_task(commit: Commit, execution_id: str, seq: int) -> None:
    """Delete a scheduled activity whose outcome nobody waits for."""
    commit.rows["finished_tasks"].append(_task_key(commit, execution_id, seq))


def task_keys(handled: Iterable[Incoming]) -> list[tuple[str, int]]:
    """Execution and sequence id of the activities whose outcomes are among what was handled."""
    return [
        (incoming.execution_id, incoming.event.task_id)
        for incoming in handled
        if incoming.execution_id is not None and isinstance(incoming.event, TaskCompleted | TaskFailed)
    ]


def _open_timers(execution: Execution) -> list[int]:
    return [seq for seq in execution.open if isinstance(execution.scheduled[seq], TimerCreated)]


def _record_tasks(commit: Commit, execution: Execution, turn: Turn) -> None:
    start = execution.start
    common = {"partition": commit.partition, "instance_id": start.instance_id, "execution_id": start.execution_id}
    commit.rows["tasks"] += [common | {"seq": e.seq, "name": e.name, "input": e.input} for e in turn.activities]
    commit.rows["timers"] += [common | {"seq": e.seq, "fire_at": e.fire_at} for e in turn.timers]
    over = [*turn.canceled_timers, *(_open_timers(execution) if turn.status in FINISHED else ())]
    commit.rows["finished_timers"] += [_task_key(commit, start.execution_id, seq) for seq in over]


def _record_child(commit: Commit, start: ExecutionStarted, child: SubOrchestrationCreated, partitions: int) -> None:
    parent = Parent(start.instance_id, start.execution_id, start.name, child.seq)
    execution_id = str(uuid.uuid4())
    born = ExecutionStarted(
        child.timestamp, child.name, child.version, child.input, child.instance_id, execution_id, parent
    )
    taken = f"An Orchestration instance with the ID '{child.instance_id}' already exists and has not finished."
    message = uuid.uuid4()
    refused = Incoming(SubOrchestrationFailed(child.timestamp, child.seq, taken), start.execution_id, message)
    letter = Letter(
        partition_of(child.instance_id, partitions),
        child.instance_id,
        Incoming(born, execution_id, message, execution_id),
        refusal=Letter(commit.partition, start.instance_id, refused),
    )
    commit.letters.append(letter)
    commit.rows["children"].append(_child_row(commit, letter, born, refused))


def _child_row(commit: Commit, letter: Letter, born: ExecutionStarted, refused: Incoming) -> dict[str, Any]:
    assert born.parent is not None
    return {
        "source": commit.partition,
        **instance_row(letter.partition, born),
        "message": letter.incoming.message,
        "parent_partition": commit.partition,
        "parent_id": born.parent.instance_id,
        "parent_execution": born.parent.execution_id,
        "refusal": refused.event.to_json(),
    }


def instance_row(partition: int, start: ExecutionStarted) -> dict[str, Any]:
    """A new instance and the message that starts it."""
    return {
        "instance_id": start.instance_id,
        "partition": partition,
        "execution_id": start.execution_id,
        "name": start.name,
        "version": start.version,
        "input": start.input,
        "created_at": utc_text(start.timestamp),
        "event": start.to_json(),
    }


def _record_restart(commit: Commit, execution: Execution, turn: Turn) -> None:
    now = turn.events[0].timestamp
    fresh = next_execution(execution.start, str(uuid.uuid4()), turn, now)
    row = _turn_row(commit, execution, turn)
    row |= {"status": RUNNING, "events": None, "next_execution": fresh.execution_id, "next_input": fresh.input}
    commit.rows["turns"].append(row)
    incoming = Incoming(fresh, fresh.execution_id, uuid.uuid4(), execution.incarnation)
    _send(commit, Letter(commit.partition, fresh.instance_id, incoming))


def _turn_row(commit: Commit, execution: Execution, turn: Turn) -> dict[str, Any]:
    start = execution.start
    return {
        "partition": commit.partition,
        "instance_id": start.instance_id,
        "execution_id": start.execution_id,
        "chunk": execution.chunks,
        "events": orjson.Fragment(dump_events(turn.events)),
        "output": turn.output,
        "custom_status": turn.custom_status,
        "updated_at": utc_text(turn.events[0].timestamp),
    }


def _send(commit: Commit, letter: Letter) -> None:
    commit.letters.append(letter)
    commit.rows["messages"].append(_message(commit, letter))


def _message(commit: Commit, letter: Letter) -> dict[str, Any]:
    return {
        "source": commit.partition,
        "sender": commit.turn_of,
        "message": letter.incoming.message,
        "partition": letter.partition,
        "instance_id": letter.instance_id,
        "execution_id": letter.incoming.execution_id,
        "incarnation": letter.incoming.incarnation,
        "event": letter.incoming.event.to_json(),
    }


def _task_key(commit: Commit, execution_id: str | None, seq: int) -> dict[str, Any]:
    return {"partition": commit.partition, "execution_id": execution_id, "seq": seq}
