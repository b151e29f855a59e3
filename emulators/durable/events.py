"""What all history events have in common: their shape in JSON, and how tasks, retries and parents are named.

Rules: an attribute of a subclass is a JSON field with its name in PascalCase, unless `RENAMED` says otherwise;
`SLIM` says whether a replay needs the event. The events themselves are in history.py.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

_COMMON = frozenset({"timestamp", "seq", "policy"})


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
    """One entry of a history."""

    EVENT_TYPE: ClassVar[int] = -1
    RENAMED: ClassVar[Mapping[str, str]] = {"task_id": "TaskScheduledId", "status": "OrchestrationStatus"}
    SLIM: ClassVar[bool] = True

    timestamp: datetime

    @property
    def event_id(self) -> int:
        """The sequence id of a scheduled task; -1 for every other event."""
        return -1

    @property
    def weight(self) -> int:
        """About how much memory its texts take, in characters."""
        values = (getattr(self, name) for name, _ in _own(type(self)))
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
        values = (data.get(key) for _, key in _own(cls))
        return cls(parse_utc(data["Timestamp"]), *values)

    def _head(self, timestamp: str) -> dict[str, Any]:
        return {"EventType": self.EVENT_TYPE, "EventId": self.event_id, "IsPlayed": False, "Timestamp": timestamp}

    def _body(self) -> dict[str, Any]:
        return {key: getattr(self, name) for name, key in _own(type(self))}


@dataclass(frozen=True, slots=True)
class Scheduled(Event):
    """A task that the orchestrator asked for under the sequence id `seq`, and where its retry policy stands."""

    SLIM: ClassVar[bool] = False
    WHAT: ClassVar[str] = ""
    LABEL: ClassVar[str] = ""

    seq: int
    policy: Retry | None = field(default=None, kw_only=True)

    @property
    def event_id(self) -> int:
        return self.seq

    @property
    def label(self) -> str:
        """The name that a replay must repeat; empty where the kind alone says it."""
        return str(getattr(self, self.LABEL)) if self.LABEL else ""

    def to_json(self) -> dict[str, Any]:
        return Event.to_json(self) | ({} if self.policy is None else {"Retry": astuple(self.policy)})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        retry = data.get("Retry")
        values = [data[key] for _, key in _own(cls)]
        return cls(parse_utc(data["Timestamp"]), data["EventId"], *values, policy=Retry(*retry) if retry else None)


_OWN: dict[type[Event], tuple[tuple[str, str], ...]] = {}


def _own(cls: type[Event]) -> tuple[tuple[str, str], ...]:
    """The attributes that a kind of event has of its own, each with its name in JSON."""
    if cls not in _OWN:
        names = [own.name for own in fields(cls) if own.name not in _COMMON]
        _OWN[cls] = tuple((name, cls.RENAMED.get(name) or name.title().replace("_", "")) for name in names)
    return _OWN[cls]


def utc_text(moment: datetime) -> str:
    """ISO 8601 with microseconds and `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_utc(text: str) -> datetime:
    """The moment that an ISO 8601 text names; a text without zone is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
