"""Queues, topics and event hubs as the Config.json of Microsoft's emulators declares them.

Schemas: https://learn.microsoft.com/azure/service-bus-messaging/test-locally-with-service-bus-emulator and
https://learn.microsoft.com/azure/event-hubs/test-locally-with-event-hub-emulator
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_pascal

DEAD_LETTER_SUFFIX = "$deadletterqueue"
_NAME = r"^[A-Za-z0-9](?:[A-Za-z0-9._/\-]*[A-Za-z0-9_])?$"


class ConfigError(Exception):
    """The configuration cannot be used; the message says where and why."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, frozen=True, extra="ignore")


class QueueProperties(_Model):
    """Properties of one queue; durations are ISO 8601, defaults the service's."""

    requires_session: bool = False
    lock_duration: timedelta = timedelta(minutes=1)
    max_delivery_count: int = Field(default=10, ge=1, le=2000)
    default_message_time_to_live: timedelta | None = None
    dead_lettering_on_message_expiration: bool = False
    requires_duplicate_detection: bool = False
    duplicate_detection_history_time_window: timedelta = timedelta(minutes=10)
    forward_to: str = ""
    forward_dead_lettered_messages_to: str = ""

    @field_validator("forward_to", "forward_dead_lettered_messages_to")
    @classmethod
    def _not_forwarded(cls, value: str) -> str:
        if value:
            raise ValueError("forwarding is not supported by this server; leave it empty")
        return value

    @field_validator("lock_duration")
    @classmethod
    def _at_most_five_minutes(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= timedelta(minutes=5):
            raise ValueError("LockDuration must be positive and at most PT5M")
        return value


class QueueConfig(_Model):
    """One queue; names are compared without case."""

    name: str = Field(min_length=1, max_length=260, pattern=_NAME)
    properties: QueueProperties = QueueProperties()


class CorrelationConfig(_Model):
    """Properties that a message must have; at least one."""

    content_type: str | None = None
    correlation_id: str | None = None
    label: str | None = None
    message_id: str | None = None
    reply_to: str | None = None
    reply_to_session_id: str | None = None
    session_id: str | None = None
    to: str | None = None
    properties: dict[str, str | bool | int | float] = {}


class SqlConfig(_Model):
    """One filter or action."""

    sql_expression: str


class RuleProperties(_Model):
    """The filter that `filter_type` names, and an action."""

    filter_type: Literal["Correlation", "Sql"] = "Sql"
    correlation_filter: CorrelationConfig | None = None
    sql_filter: SqlConfig | None = None
    action: SqlConfig | None = None

    @model_validator(mode="after")
    def _has_its_filter(self) -> Self:
        wanted = self.correlation_filter if self.filter_type == "Correlation" else self.sql_filter
        if wanted is None:
            raise ValueError(f"FilterType is {self.filter_type}, but there is no such filter")
        return self


class RuleConfig(_Model):
    """One rule of a subscription."""

    name: str = Field(min_length=1, max_length=50)
    properties: RuleProperties


class TopicProperties(_Model):
    """Properties of one topic."""

    default_message_time_to_live: timedelta | None = None
    requires_duplicate_detection: bool = False
    duplicate_detection_history_time_window: timedelta = timedelta(minutes=10)


class SubscriptionConfig(_Model):
    """One subscription; without rules it takes every message."""

    name: str = Field(min_length=1, max_length=50, pattern=_NAME)
    properties: QueueProperties = QueueProperties()
    rules: list[RuleConfig] = []


class TopicConfig(_Model):
    """One topic."""

    name: str = Field(min_length=1, max_length=260, pattern=_NAME)
    properties: TopicProperties = TopicProperties()
    subscriptions: list[SubscriptionConfig] = []


class ConsumerGroupConfig(_Model):
    """One consumer group of an event hub."""

    name: str = Field(min_length=1, max_length=50)


class EventHubConfig(_Model):
    """One event hub; `retention` is an addition to the emulator's schema, whose emulator keeps events one hour."""

    name: str = Field(min_length=1, max_length=256, pattern=_NAME)
    partition_count: int = Field(default=1, ge=1, le=32)
    consumer_groups: list[ConsumerGroupConfig] = []
    retention: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Entities:
    """What a server serves."""

    queues: Sequence[QueueConfig] = ()
    topics: Sequence[TopicConfig] = ()
    event_hubs: Sequence[EventHubConfig] = ()

    def check(self) -> None:
        """Raise ConfigError when two entities share a name: all of them are addresses of one server."""
        named: list[QueueConfig | TopicConfig | EventHubConfig] = [*self.queues, *self.topics, *self.event_hubs]
        _refuse_twice([entity.name.lower() for entity in named], "Entities")
        for topic in self.topics:
            _refuse_twice([item.name.lower() for item in topic.subscriptions], f"Subscriptions of '{topic.name}'")
            for subscription in topic.subscriptions:
                _refuse_twice([rule.name for rule in subscription.rules], f"Rules of '{subscription.name}'")


def _refuse_twice(names: Sequence[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{what} are declared twice: {', '.join(twice)}")


class _Namespace(_Model):
    name: str = "sbemulatorns"
    queues: list[QueueConfig] = []
    topics: list[TopicConfig] = []


class _EventHubNamespace(_Model):
    entities: list[EventHubConfig] = []


class _UserConfig(_Model):
    namespaces: list[_Namespace] = []
    namespace_config: list[_EventHubNamespace] = []


class _ConfigFile(_Model):
    user_config: _UserConfig


def read_config(*paths: Path) -> Entities:
    """The entities of one or more Config.json. Raises ConfigError."""
    found = [_read(path) for path in paths]
    together = Entities(
        [queue for one in found for queue in one.queues],
        [topic for one in found for topic in one.topics],
        [hub for one in found for hub in one.event_hubs],
    )
    together.check()
    return together


def _read(path: Path) -> Entities:
    try:
        return parse_config(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def parse_config(text: str | bytes) -> Entities:
    """The entities of a Config.json's text, Service Bus's or Event Hubs'. Raises ConfigError."""
    try:
        user = _ConfigFile.model_validate_json(text).user_config
    except ValidationError as error:
        raise ConfigError(f"The messaging configuration is not valid: {error}") from error
    entities = Entities(
        [queue for namespace in user.namespaces for queue in namespace.queues],
        [topic for namespace in user.namespaces for topic in namespace.topics],
        [hub for namespace in user.namespace_config for hub in namespace.entities],
    )
    entities.check()
    return entities
