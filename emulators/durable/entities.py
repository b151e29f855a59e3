"""Entity messages as values: operations that wait, the trigger's input, and what a batch answered.

Rules: an entity is addressed as `@name@key`, its name in lower case; an operation's input is the JSON of a
JSON text, which is what `get_input` decodes; results and states are JSON texts. Entities deliver their
operations in order, several to one call of the function.
Source: RequestMessage.cs, ResponseMessage.cs and TaskEntityShim.cs in Azure/azure-functions-durable-extension.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulators.durable.events import parse_utc, utc_text
from emulators.durable.history import EventRaised
from emulators.durable.texts import storable

OPERATION_EVENT = "op"
_PREFIX = "@"


class UnreadableBatchError(Exception):
    """The entity function did not return what the Durable SDK returns."""


@dataclass(frozen=True, slots=True)
class EntityId:
    """Name (lower case) and key of an entity."""

    name: str
    key: str

    @classmethod
    def of(cls, name: str, key: str) -> "EntityId":
        """The id of an entity function's entity; names have no case."""
        return cls(name.lower(), key)

    @classmethod
    def parse(cls, instance_id: str) -> "EntityId":
        """Read `@name@key`. Raises ValueError."""
        prefix, separator, rest = instance_id.partition(_PREFIX)
        name, second, key = rest.partition(_PREFIX)
        if prefix or not separator or not second or not name:
            raise ValueError(f"'{instance_id}' is not an entity's id: it must look like '@name@key'")
        return cls.of(name, key)

    def __str__(self) -> str:
        return f"{_PREFIX}{self.name}{_PREFIX}{self.key}"


def is_entity(instance_id: str) -> bool:
    """True for ids of entities, which no orchestration may have."""
    return instance_id.startswith(_PREFIX)


@dataclass(frozen=True, slots=True)
class Operation:
    """One request to an entity; without `parent` or with `is_signal` nobody waits for an answer."""

    id: str
    name: str
    input: str | None
    is_signal: bool
    parent: str | None = None
    parent_execution: str | None = None
    due: datetime | None = None

    def to_text(self) -> str:
        """The request message's JSON."""
        message: dict[str, Any] = {"op": self.name, "signal": self.is_signal, "input": self.input, "id": self.id}
        message |= {"parent": self.parent, "parentExecution": self.parent_execution}
        if self.due is not None:
            message["due"] = utc_text(self.due)
        return json.dumps(message, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "Operation":
        """The operation that `to_text` wrote."""
        message = json.loads(text)
        due = message.get("due")
        return cls(
            message["id"],
            message["op"],
            message.get("input"),
            bool(message.get("signal")),
            message.get("parent"),
            message.get("parentExecution"),
            parse_utc(due) if due else None,
        )


def signal(name: str, text: str | None, sender: str | None = None, due: datetime | None = None) -> Operation:
    """A new one-way operation."""
    return Operation(str(uuid.uuid4()), name, text, is_signal=True, parent=sender, due=due)


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is stored of an entity; `state` is a JSON text."""

    exists: bool = False
    state: str | None = None


@dataclass(frozen=True, slots=True)
class OperationResult:
    """One operation's answer; `result` is a JSON text."""

    is_error: bool
    result: str | None


@dataclass(frozen=True, slots=True)
class OutgoingSignal:
    """A signal that an entity sends to another one."""

    target: EntityId
    operation: Operation


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call of an entity function changed and answered."""

    after: EntityState
    results: tuple[OperationResult, ...]
    signals: tuple[OutgoingSignal, ...] = ()


def trigger_payload(entity: EntityId, before: EntityState, operations: Sequence[Operation]) -> str:
    """The entity trigger's JSON."""
    return json.dumps(
        {
            "self": {"name": entity.name, "key": entity.key},
            "exists": before.exists,
            "state": before.state,
            "batch": [
                {"name": operation.name, "input": operation.input, "isSignal": operation.is_signal}
                for operation in operations
            ],
        },
        separators=(",", ":"),
    )


def parse_batch(text: str, entity: EntityId, count: int) -> Batch:
    """The answer to `count` operations. Raises UnreadableBatchError."""
    try:
        answer = json.loads(text)
        exists = bool(answer["entityExists"])
        state = EntityState(exists, _text(answer.get("entityState")) if exists else None)
        results = tuple(OperationResult(bool(item["isError"]), _text(item.get("result"))) for item in answer["results"])
        signals = tuple(_outgoing(entity, item) for item in answer.get("signals") or ())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableBatchError(f"the entity function did not return the SDK's state: {error!r}") from error
    if len(results) != count:
        raise UnreadableBatchError(f"the entity function answered {len(results)} of {count} operations")
    return Batch(state, results, signals)


def refuse(before: EntityState, message: str, count: int) -> Batch:
    """The answer that leaves the state alone and gives every caller the reason."""
    return Batch(before, (OperationResult(is_error=True, result=json.dumps(message)),) * count)


def response(operation: Operation, result: OperationResult, now: datetime) -> EventRaised:
    """The event that carries an answer to the orchestration that called."""
    message = {"result": result.result}
    if result.is_error:
        message["exceptionType"] = "Error"
    return EventRaised(now, operation.id, json.dumps(message, separators=(",", ":")))


def request(operation: Operation, now: datetime) -> EventRaised:
    """The event that carries an operation to its entity."""
    return EventRaised(now, OPERATION_EVENT, operation.to_text())


def _outgoing(sender: EntityId, item: dict[str, Any]) -> OutgoingSignal:
    target = item["target"]
    due = item.get("scheduledTime") or item.get("fireAt")
    operation = signal(item["name"], _text(item.get("input")), str(sender), parse_utc(due) if due else None)
    return OutgoingSignal(EntityId.of(target["name"], target["key"]), operation)


def _text(value: object) -> str | None:
    return None if value is None else storable(str(value))
