"""What all history events have in common: their shape in JSON, and how tasks, retries and parents are named.

Rules: a subclass lists its JSON fields in `KEYS` in the order of its attributes; `SLIM` tells whether a
replay needs the event. The events themselves are in history.py.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Retry:
    """Where a scheduled task stands in its retry policy; `leaf` is the sequence id of the first attempt."""

    leaf: int
    attempt: int
    max_attempts: int
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Parent:
    """The orchestration that waits for this one, and the sequence id it waits under."""

    instance_id: str
    execution_id: str
    name: str
    task_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a history; subclasses name their JSON fields in the order of their attributes."""

    EVENT_TYPE: ClassVar[int] = -1
    KEYS: ClassVar[tuple[str, ...]] = ()
    SLIM: ClassVar[bool] = True

    timestamp: datetime

    @property
    def event_id(self) -> int:
        """The sequence id of a scheduled task; -1 for every other event."""
        return -1

    @property
    def weight(self) -> int:
        """About how much memory its texts take, in characters."""
        values = (getattr(self, field.name) for field in fields(self))
        return sum(len(value) for value in values if isinstance(value, str))

    def to_json(self) -> dict[str, Any]:
        """The full form, as the extension stores it."""
        return self._head(utc_text(self.timestamp)) | self._body()

    def to_slim_json(self) -> dict[str, Any]:
        """The form for the SDK; any parsable `Timestamp` will do where it is not read."""
        return self._head("1") | self._body()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The event of this class that `to_json` wrote."""
        values = (data.get(key) for key in cls.KEYS)
        return cls(parse_utc(data["Timestamp"]), *values)

    def _head(self, timestamp: str) -> dict[str, Any]:
        return {"EventType": self.EVENT_TYPE, "EventId": self.event_id, "IsPlayed": False, "Timestamp": timestamp}

    def _body(self) -> dict[str, Any]:
        names = (field.name for field in fields(self)[1:])
        return {key: getattr(self, name) for key, name in zip(self.KEYS, names, strict=True)}


@dataclass(frozen=True, slots=True)
class Scheduled(Event):
    """A task that the orchestrator asked for under the sequence id `seq`."""

    SLIM: ClassVar[bool] = False
    WHAT: ClassVar[str] = ""

    seq: int

    @property
    def event_id(self) -> int:
        return self.seq

    @property
    def label(self) -> str:
        """The name that a replay must repeat; empty where the kind alone says it."""
        return ""

    @property
    def policy(self) -> Retry | None:
        """The retry policy's state, if the task has one."""
        return None

    def to_json(self) -> dict[str, Any]:
        body = Event.to_json(self)
        if self.policy is not None:
            body["Retry"] = [
                self.policy.leaf,
                self.policy.attempt,
                self.policy.max_attempts,
                self.policy.interval_ms,
            ]
        return body

    def _body(self) -> dict[str, Any]:
        return {key: getattr(self, name) for name, key in zip(self._names(), self.KEYS, strict=True)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        values = [data[key] for key in cls.KEYS]
        retry = data.get("Retry")
        return cls._restore(parse_utc(data["Timestamp"]), data["EventId"], values, Retry(*retry) if retry else None)

    @classmethod
    def _names(cls) -> list[str]:
        return [field.name for field in fields(cls) if field.name not in {"timestamp", "seq", "retry"}]

    @classmethod
    def _restore(cls, timestamp: datetime, seq: int, values: list[Any], retry: Retry | None) -> Self:
        named = dict(zip(cls._names(), values, strict=True))
        if retry is not None:
            named["retry"] = retry
        return cls(timestamp, seq, **named)


def utc_text(moment: datetime) -> str:
    """ISO 8601 with microseconds and `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_utc(text: str) -> datetime:
    """The moment that an ISO 8601 text names; a text without zone is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
