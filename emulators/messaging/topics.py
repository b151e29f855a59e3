"""Topics and subscriptions: a send is routed by the subscriptions' rules and commits with all its copies.

A subscription is a queue that only its topic sends to. A topic itself holds nothing but scheduled messages, which are
routed when they are due, by the rules of that time
(https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from xml.etree.ElementTree import ParseError, fromstring, tostring

import structlog

from emulators.messaging.entities import (
    ConfigError,
    CorrelationConfig,
    QueueConfig,
    QueueProperties,
    RuleConfig,
    SubscriptionConfig,
    TopicConfig,
    TopicProperties,
)
from emulators.messaging.errors import AmqpError, Condition, entity_not_found
from emulators.messaging.message import Content, Incoming
from emulators.messaging.properties import routed
from emulators.messaging.queues import Queue, Surroundings
from emulators.messaging.records import Message
from emulators.messaging.rule_xml import read_kept, write_rule
from emulators.messaging.rules import (
    DEFAULT_RULE,
    CorrelationFilter,
    Filter,
    FilterError,
    Rule,
    SqlAction,
    SqlFilter,
    TrueFilter,
    copies,
)
from emulators.messaging.sql_tokens import SqlSyntaxError
from emulators.messaging.store import LoadedQueue

_log = structlog.get_logger(__name__)
_MAX_RULES = 2000


class Subscription(Queue):
    """A queue behind rules."""

    sendable = False

    def __init__(self, topic: "Topic", config: SubscriptionConfig, around: Surroundings) -> None:
        name = f"{topic.config.name}/Subscriptions/{config.name}"
        super().__init__(QueueConfig.model_construct(name=name, properties=config.properties), around)
        self.name = config.name
        self.topic = topic
        configured = [_rule(rule, config.name) for rule in config.rules] or [Rule(DEFAULT_RULE, TrueFilter())]
        self.rules: dict[str, Rule] = {rule.name: rule for rule in configured}
        self._declared = sha256(repr(config.rules).encode()).hexdigest()

    @property
    def life(self) -> timedelta | None:
        lives = (self.topic.life, self.config.properties.default_message_time_to_live)
        return min((life for life in lives if life is not None), default=None)

    def _take_up(self, loaded: LoadedQueue) -> None:
        """Rules that were changed last for as long as those that the configuration declares stay the same."""
        super()._take_up(loaded)
        if loaded.rules is not None and loaded.rules_of == self._declared:
            kept = [read_kept(fromstring(text)) for text in json.loads(loaded.rules)]  # noqa: S314 - written by us
            self.rules = {rule.name: rule for rule in kept}

    def routes(self, incoming: Incoming) -> list[tuple[Incoming, FilterError | None]]:
        """What the subscription takes of a message; one that its rules fail on is taken with their error."""
        try:
            return [(copy, None) for copy in copies(list(self.rules.values()), incoming)]
        except FilterError as error:
            return [(incoming, error)]

    def take(self, incoming: Incoming, error: FilterError | None, now: float, hops: int) -> None:
        """Take in a routed message; the caller pumps."""
        if error is not None and not self.config.properties.dead_lettering_on_filter_evaluation_exceptions:
            return
        message = self._take_in(incoming, now, hops)
        if error is not None:
            self.dead_letter(message, "FilterException", str(error))
        elif self.config.properties.requires_session and incoming.session_id is None:
            self.dead_letter(message, "Session ID is null.", _NO_SESSION)

    def add_rule(self, rule: Rule) -> None:
        """Raises AmqpError (entity-already-exists, resource-limit-exceeded, argument-error)."""
        if rule.name in self.rules:
            raise AmqpError(Condition.ALREADY_EXISTS, f"The rule '{rule.name}' exists already.")
        if len(self.rules) >= _MAX_RULES:
            raise AmqpError(Condition.RESOURCE_LIMIT, f"A subscription has at most {_MAX_RULES} rules.")
        self.set_rules({**self.rules, rule.name: rule})

    def replace_rule(self, rule: Rule) -> None:
        """Raises AmqpError (not-found, argument-error)."""
        self.set_rules({**self.rules, rule.name: replace(rule, created_at=self.rule(rule.name).created_at)})

    def remove_rule(self, name: str) -> None:
        """Raises AmqpError (not-found)."""
        self.rule(name)
        self.set_rules({known: rule for known, rule in self.rules.items() if known != name})

    def rule(self, name: str) -> Rule:
        """Raises AmqpError (not-found)."""
        rule = self.rules.get(name)
        if rule is None:
            raise AmqpError(Condition.NOT_FOUND, f"The rule '{name}' does not exist.")
        return rule

    def set_rules(self, rules: Mapping[str, Rule]) -> None:
        """Put these in the place of all. Raises AmqpError (not-found, argument-error)."""
        if self._closed:
            raise entity_not_found(self.config.name)
        texts = [tostring(write_rule(rule), encoding="unicode") for rule in rules.values()]
        try:
            for text in texts:
                fromstring(text)  # noqa: S314 - written by us
        except ParseError as error:
            raise AmqpError(Condition.ARGUMENT_ERROR, "A rule has characters that XML has not.") from error
        self.rules = dict(rules)
        self._store.write().set_rules(self.id, json.dumps(texts), self._declared)


_NO_SESSION = "Session enabled entity doesn't allow a message whose session identifier is null."


class Topic(Queue):
    """Routes what is sent to it."""

    receivable = False

    def __init__(self, config: TopicConfig, around: Surroundings) -> None:
        super().__init__(QueueConfig.model_construct(name=config.name, properties=_as_queue(config.properties)), around)
        self.properties = config.properties
        self.subscriptions = [Subscription(self, subscription, around) for subscription in config.subscriptions]

    def change(self, properties: TopicProperties) -> None:
        """Take on other properties."""
        self.properties = properties
        self.reconfigure(_as_queue(properties))

    def subscription(self, name: str) -> Subscription | None:
        """Found without case."""
        return next((one for one in self.subscriptions if one.name.lower() == name.lower()), None)

    def _check(self, messages: list[Incoming]) -> None:
        super()._check(messages)
        for subscription in self.subscriptions:
            subscription.check_room(len(messages))

    def pump(self) -> None:
        for subscription in self.subscriptions:
            subscription.pump()

    def _take_in(self, incoming: Incoming, now: float, hops: int) -> Message:
        if incoming.scheduled_at is not None and incoming.scheduled_at > now:
            return super()._take_in(incoming, now, hops)
        message = self._new_message(incoming, now, hops)
        self._store.write().number(message)
        self._route(message.sequence, incoming, now, hops)
        return message

    def _route(self, sequence: int, incoming: Incoming, now: float, hops: int) -> None:
        numbered = routed(replace(incoming, scheduled_at=None), sequence)
        for subscription in self.subscriptions:
            for copy, error in subscription.routes(numbered):
                subscription.take(copy, error, now, hops)

    def _enqueue_due(self, message: Message, content: Content) -> None:
        self.main.remove(message)
        incoming = Incoming(content, message.message_id, message.session_id, None)
        self._route(message.sequence, incoming, time.time(), message.hops)


def _as_queue(properties: TopicProperties) -> QueueProperties:
    """A topic is a queue that keeps nothing but what is scheduled."""
    return QueueProperties.model_construct(**properties.model_dump())


def _rule(config: RuleConfig, subscription: str) -> Rule:
    """Raises ConfigError."""
    properties = config.properties
    try:
        action = None if properties.action is None else SqlAction.parse(properties.action.sql_expression)
        return Rule(config.name, _filter(config), action)
    except SqlSyntaxError as error:
        raise ConfigError(f"The rule '{config.name}' of the subscription '{subscription}': {error}") from error


def _filter(config: RuleConfig) -> Filter:
    if config.properties.filter_type == "Correlation":
        assert config.properties.correlation_filter is not None
        return _correlation(config.properties.correlation_filter)
    assert config.properties.sql_filter is not None
    return SqlFilter.parse(config.properties.sql_filter.sql_expression)


def _correlation(config: CorrelationConfig) -> CorrelationFilter:
    given = config.model_dump(exclude={"properties"}, exclude_none=True)
    system = {name.replace("_", ""): value for name, value in given.items() if value != ""}
    return CorrelationFilter(system, dict(config.properties))
