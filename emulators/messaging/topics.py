"""Topics and subscriptions: a send is routed by the subscriptions' rules and commits with all its copies.

A subscription is a queue that only its topic sends to. A topic itself holds nothing but scheduled messages, which are
routed when they are due, by the rules of that time
(https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from emulators.messaging.entities import (
    ConfigError,
    CorrelationConfig,
    QueueConfig,
    QueueProperties,
    RuleConfig,
    SubscriptionConfig,
    TopicConfig,
)
from emulators.messaging.errors import AmqpError, Condition, StoreUnavailableError
from emulators.messaging.message import Content, Incoming
from emulators.messaging.properties import routed
from emulators.messaging.queues import Queue
from emulators.messaging.records import Message
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
from emulators.messaging.store import Store
from emulators.messaging.subqueue import ContentCache

_log = structlog.get_logger(__name__)
_RETRY_S = 1.0
_MAX_RULES = 2000


class Subscription(Queue):
    """A queue behind rules."""

    sendable = False

    def __init__(
        self, topic: TopicConfig, config: SubscriptionConfig, store: Store, cache: ContentCache, max_messages: int
    ) -> None:
        properties = config.properties.model_copy(update={"default_message_time_to_live": _shorter_life(topic, config)})
        name = f"{topic.name}/Subscriptions/{config.name}"
        super().__init__(QueueConfig.model_construct(name=name, properties=properties), store, cache, max_messages)
        configured = [_rule(rule, config.name) for rule in config.rules] or [Rule(DEFAULT_RULE, TrueFilter())]
        self.rules: dict[str, Rule] = {rule.name: rule for rule in configured}

    def routes(self, incoming: Incoming) -> list[tuple[Incoming, FilterError | None]]:
        """What the subscription takes of a message; one that its rules fail on is taken with their error."""
        try:
            return [(copy, None) for copy in copies(list(self.rules.values()), incoming)]
        except FilterError as error:
            return [(incoming, error)]

    def take(self, incoming: Incoming, error: FilterError | None, now: float) -> None:
        """Take in a routed message; the caller pumps."""
        message = self._take_in(incoming, now)
        if error is not None:
            self.dead_letter(message, "FilterException", str(error))
        elif self.config.properties.requires_session and incoming.session_id is None:
            self.dead_letter(message, "Session ID is null.", _NO_SESSION)

    def add_rule(self, rule: Rule) -> None:
        """Raises AmqpError (entity-already-exists, resource-limit-exceeded). Rules last until the server ends."""
        if rule.name in self.rules:
            raise AmqpError(Condition.ALREADY_EXISTS, f"The rule '{rule.name}' exists already.")
        if len(self.rules) >= _MAX_RULES:
            raise AmqpError(Condition.RESOURCE_LIMIT, f"A subscription has at most {_MAX_RULES} rules.")
        self.rules[rule.name] = rule

    def remove_rule(self, name: str) -> None:
        """Raises AmqpError (not-found)."""
        if self.rules.pop(name, None) is None:
            raise AmqpError(Condition.NOT_FOUND, f"The rule '{name}' does not exist.")


_NO_SESSION = "Session enabled entity doesn't allow a message whose session identifier is null."


class Topic(Queue):
    """Routes what is sent to it."""

    receivable = False

    def __init__(self, config: TopicConfig, store: Store, cache: ContentCache, max_messages: int) -> None:
        properties = QueueProperties.model_construct(**config.properties.model_dump())
        super().__init__(
            QueueConfig.model_construct(name=config.name, properties=properties), store, cache, max_messages
        )
        self._loading: set[asyncio.Task[None]] = set()
        self.subscriptions = [
            Subscription(config, subscription, store, cache, max_messages) for subscription in config.subscriptions
        ]

    def _check(self, messages: list[Incoming]) -> None:
        super()._check(messages)
        for subscription in self.subscriptions:
            subscription.check_room(len(messages))

    def send(self, messages: list[Incoming]) -> list[int]:
        sequences = super().send(messages)
        self._pump_subscriptions()
        return sequences

    def _take_in(self, incoming: Incoming, now: float) -> Message:
        if incoming.scheduled_at is not None and incoming.scheduled_at > now:
            return super()._take_in(incoming, now)
        message = self._new_message(incoming, now)
        self._store.write().number(message)
        self._route(message.sequence, incoming, now)
        return message

    def _route(self, sequence: int, incoming: Incoming, now: float) -> None:
        numbered = routed(replace(incoming, scheduled_at=None), sequence)
        for subscription in self.subscriptions:
            for copy, error in subscription.routes(numbered):
                subscription.take(copy, error, now)

    def _pump_subscriptions(self) -> None:
        for subscription in self.subscriptions:
            subscription.main.pump()

    # --- scheduled messages -----------------------------------------------------------------------------------------

    def _on_due(self, message: Message) -> None:
        if self.main.messages.get(message.sequence) is not message:
            return
        if message.content is None:
            self._load_due(message)
        else:
            self._route_due(message, message.content)

    def _route_due(self, message: Message, content: Content) -> None:
        """Routing and removal are one group of changes, so that a crash neither loses nor repeats the message."""
        self._scheduled -= 1
        self.main.remove(message)
        incoming = Incoming(content, message.message_id, message.session_id, None)
        self._route(message.sequence, incoming, time.time())
        self._pump_subscriptions()

    def _load_due(self, message: Message) -> None:
        async def load() -> None:
            try:
                contents = await self.main.load([message])
            except StoreUnavailableError:
                _log.warning("A scheduled message could not be read; trying again", topic=self.config.name)
                asyncio.get_running_loop().call_later(_RETRY_S, self._on_due, message)
                return
            if self.main.messages.get(message.sequence) is message:
                self._route_due(message, contents[message.sequence])

        task = asyncio.create_task(load())
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)


def _shorter_life(topic: TopicConfig, subscription: SubscriptionConfig) -> object:
    lives = (topic.properties.default_message_time_to_live, subscription.properties.default_message_time_to_live)
    return min((life for life in lives if life is not None), default=None)


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


def all_subscriptions(topics: Sequence[Topic]) -> list[Subscription]:
    """The subscriptions of several topics."""
    return [subscription for topic in topics for subscription in topic.subscriptions]
