"""Queues, topics and event hubs as the Config.json of Microsoft's emulators declares them.

Schemas: https://learn.microsoft.com/azure/service-bus-messaging/test-locally-with-service-bus-emulator and
https://learn.microsoft.com/azure/event-hubs/test-locally-with-event-hub-emulator
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_pascal

DEAD_LETTER_SUFFIX = "$deadletterqueue"
_NAME = r"^[A-Za-z0-9](?:[A-Za-z0-9._/\-]*[A-Za-z0-9_])?$"


class ConfigError(Exception):
    """The configuration cannot be used; the message says where and why."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, frozen=True, extra="ignore")


def _path(value: str) -> str:
    """An entity's path, also of an address like `sb://host/path`."""
    _, separator, rest = value.partition("://")
    return (rest.partition("/")[2] if separator else value).strip("/")


def _finite(value: timedelta | None) -> timedelta | None:
    """The service writes "never" as its longest duration."""
    if value is not None and value <= timedelta(0):
        raise ValueError("a duration must be positive")
    return None if value is None or value.days >= _NEVER_DAYS else value


_NEVER_DAYS = 10_675_199
type EntityPath = Annotated[str, Field(max_length=600), AfterValidator(_path)]
type Lifetime = Annotated[timedelta | None, AfterValidator(_finite)]
type Status = Literal["Active", "Disabled", "SendDisabled", "ReceiveDisabled"]


class _Shared(_Model):
    """What queues, topics and subscriptions have in common; the administration API keeps it, and acts on `status`."""

    default_message_time_to_live: Lifetime = None
    status: Status = "Active"
    user_metadata: str = Field(default="", max_length=1024)
    auto_delete_on_idle: Lifetime = None
    enable_batched_operations: bool = True


class _Sized(_Shared):
    """What queues and topics have in common."""

    requires_duplicate_detection: bool = False
    duplicate_detection_history_time_window: timedelta = timedelta(minutes=10)
    max_size_in_megabytes: int = Field(default=1024, ge=1, le=81_920)
    support_ordering: bool = True
    enable_partitioning: bool = False
    enable_express: bool = False

    @field_validator("duplicate_detection_history_time_window")
    @classmethod
    def _within_a_week(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= timedelta(days=7):
            raise ValueError("the duplicate detection window must be positive and at most P7D")
        return value


class QueueProperties(_Sized):
    """Properties of one queue or subscription; durations are ISO 8601, defaults the service's."""

    requires_session: bool = False
    lock_duration: timedelta = timedelta(minutes=1)
    max_delivery_count: int = Field(default=10, ge=1, le=2000)
    dead_lettering_on_message_expiration: bool = False
    dead_lettering_on_filter_evaluation_exceptions: bool = True
    forward_to: EntityPath = ""
    forward_dead_lettered_messages_to: EntityPath = ""

    @model_validator(mode="after")
    def _no_forwarded_sessions(self) -> Self:
        if self.forward_to and self.requires_session:
            raise ValueError("an entity with sessions cannot forward its messages")
        return self

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


class RuleName(_Model):
    """What a rule may be called."""

    name: str = Field(min_length=1, max_length=50)


class RuleConfig(RuleName):
    """One rule of a subscription."""

    properties: RuleProperties


class TopicProperties(_Sized):
    """Properties of one topic."""

    filtering_messages_before_publishing: bool = False
    enable_subscription_partitioning: bool = False


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
        self._check_forwarding()

    def _check_forwarding(self) -> None:
        known = {queue.name.lower() for queue in self.queues} | {topic.name.lower() for topic in self.topics}
        sources = [(queue.name, queue.properties) for queue in self.queues]
        sources += [
            (f"{topic.name}/{one.name}", one.properties) for topic in self.topics for one in topic.subscriptions
        ]
        for name, properties in sources:
            for target in (properties.forward_to, properties.forward_dead_lettered_messages_to):
                if target and (target.lower() not in known or target.lower() == name.lower()):
                    raise ConfigError(f"'{name}' forwards to '{target}', which is no other queue or topic.")


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
