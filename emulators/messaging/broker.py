"""The entities of one namespace, found by their paths."""

import asyncio
from functools import partial

import structlog

from emulators.messaging.entities import DEAD_LETTER_SUFFIX, Entities, QueueConfig, SubscriptionConfig, TopicConfig
from emulators.messaging.errors import AmqpError, Condition, entity_not_found
from emulators.messaging.event_hubs import EventHub, TailCache
from emulators.messaging.queues import Queue, Surroundings
from emulators.messaging.store import Created, Store
from emulators.messaging.subqueue import ContentCache, SubQueue
from emulators.messaging.topics import Subscription, Topic
from emulators.processes.background import persistently

_log = structlog.get_logger(__name__)
_TRIM_EVERY_S = 60.0
SUBSCRIPTIONS = "/subscriptions/"
_TRANSFER_SUFFIX = "/$transfer"


class Broker:
    """Queues, topics, subscriptions and event hubs; names are compared without case.

    `declared` are the paths, in lower case, of what the configuration declares; other entities were created later.
    """

    def __init__(self, store: Store, entities: Entities, *, cache_bytes: int, max_messages: int) -> None:
        self.store = store
        self.around = Surroundings(store, ContentCache(cache_bytes), max_messages, self.target)
        self.queues = {queue.name.lower(): Queue(queue, self.around) for queue in entities.queues}
        self.topics = {topic.name.lower(): Topic(topic, self.around) for topic in entities.topics}
        events = TailCache(cache_bytes)
        self.event_hubs = {hub.name.lower(): EventHub(hub, store, events) for hub in entities.event_hubs}
        self.declared = frozenset(entity.config.name.lower() for entity in self.entities())
        self._trimming: list[asyncio.Task[None]] = []

    def entities(self) -> list[Queue]:
        """All queues, topics and subscriptions."""
        subscriptions = [one for topic in self.topics.values() for one in topic.subscriptions]
        return [*self.queues.values(), *self.topics.values(), *subscriptions]

    async def open(self) -> None:
        """Take up what the database holds, what was created earlier included. Raises psycopg.Error, AmqpError."""
        created = await self.store.load_created()
        for one in created:
            self._take_up(one)
        overruled = {one.name for one in created} & self.declared
        for entity in self.entities():
            await entity.open()
            if entity.config.name.lower() in overruled:
                self.store.write().describe(entity.id, type(entity).__name__, None, entity.updated_at)
        for entity in self.entities():
            entity.start()
        for hub in self.event_hubs.values():
            await hub.open()
            self._trimming.append(asyncio.create_task(persistently(partial(hub.trim_forever, _TRIM_EVERY_S), _report)))

    def _take_up(self, created: Created) -> None:
        """Add what an earlier server's administration API created, unless the configuration says otherwise by now."""
        path, text = created.name, created.description
        topic = self.topics.get(path.partition(SUBSCRIPTIONS)[0])
        if path in self.declared or path in self.event_hubs:
            return
        if created.kind == Queue.__name__:
            self.queues[path] = Queue(QueueConfig.model_validate_json(text), self.around)
        elif created.kind == Topic.__name__:
            self.topics[path] = Topic(TopicConfig.model_validate_json(text), self.around)
        elif topic is not None:
            config = SubscriptionConfig.model_validate_json(text)
            topic.subscriptions.append(Subscription(topic, config, self.around))
        else:
            _log.warning("A subscription's topic is gone; its messages wait in the database", subscription=path)

    def close(self) -> None:
        """Stop what runs by itself."""
        for task in self._trimming:
            task.cancel()

    # --- look-ups ---------------------------------------------------------------------------------------------------

    def event_hub(self, name: str) -> EventHub:
        """Raises AmqpError (not-found)."""
        hub = self.event_hubs.get(name.lower())
        if hub is None:
            raise AmqpError(Condition.NOT_FOUND, f"The messaging entity '{name}' could not be found.")
        return hub

    def hub_at(self, path: str) -> tuple[EventHub, list[str]] | None:
        """The hub that a path begins with, and what follows its name."""
        for name, hub in self.event_hubs.items():
            if path.lower() == name:
                return hub, []
            if path.lower().startswith(name + "/"):
                return hub, path[len(name) + 1 :].split("/")
        return None

    def target(self, name: str) -> Queue | None:
        """The queue or topic of a name in lower case."""
        return self.queues.get(name) or self.topics.get(name)

    def entity(self, path: str) -> Queue | None:
        """The queue, topic or subscription at a path in lower case."""
        topic, separator, subscription = path.rpartition(SUBSCRIPTIONS)
        if separator and topic in self.topics:
            return self.topics[topic].subscription(subscription)
        return self.target(path)

    def find(self, path: str) -> tuple[Queue, SubQueue]:
        """The entity and its sub-queue at a path. Raises AmqpError (not-found)."""
        name, separator, rest = path.lower().partition("/" + DEAD_LETTER_SUFFIX)
        entity = self.entity(name.removesuffix(_TRANSFER_SUFFIX) if separator else name)
        if entity is None or rest:
            raise entity_not_found(path)
        if not separator:
            return entity, entity.main
        return entity, entity.transfer_dead_letters if name.endswith(_TRANSFER_SUFFIX) else entity.dead_letters


def _report(error: Exception) -> None:
    _log.error("Old events could not be dropped; trying again", exc_info=error)
