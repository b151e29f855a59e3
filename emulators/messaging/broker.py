"""The entities of one namespace, found by their paths."""

import asyncio

from emulators.messaging.entities import DEAD_LETTER_SUFFIX, Entities
from emulators.messaging.errors import AmqpError, Condition
from emulators.messaging.event_hubs import EventHub, TailCache
from emulators.messaging.queues import Queue
from emulators.messaging.store import Store
from emulators.messaging.subqueue import ContentCache, SubQueue
from emulators.messaging.topics import Topic, all_subscriptions

_TRIM_EVERY_S = 60.0


class Broker:
    """Queues, topics, subscriptions and event hubs; names are compared without case."""

    def __init__(self, store: Store, entities: Entities, *, cache_bytes: int, max_messages: int) -> None:
        self.store = store
        cache = ContentCache(cache_bytes)
        self.queues = {queue.name.lower(): Queue(queue, store, cache, max_messages) for queue in entities.queues}
        self.topics = {topic.name.lower(): Topic(topic, store, cache, max_messages) for topic in entities.topics}
        subscriptions = all_subscriptions(list(self.topics.values()))
        self.subscriptions = {one.config.name.lower(): one for one in subscriptions}
        events = TailCache(cache_bytes)
        self.event_hubs = {hub.name.lower(): EventHub(hub, store, events) for hub in entities.event_hubs}
        self._trimming: list[asyncio.Task[None]] = []
        self._entities: dict[str, Queue] = {**self.queues, **self.topics, **self.subscriptions}

    async def open(self) -> None:
        for entity in self._entities.values():
            await entity.open()
        for hub in self.event_hubs.values():
            await hub.open()
            self._trimming.append(asyncio.create_task(hub.trim_forever(_TRIM_EVERY_S)))

    def close(self) -> None:
        """Stop what runs by itself."""
        for task in self._trimming:
            task.cancel()

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

    def find(self, path: str) -> tuple[Queue, SubQueue]:
        """The entity and its sub-queue at a path. Raises AmqpError (not-found)."""
        name, _, rest = path.lower().partition("/" + DEAD_LETTER_SUFFIX)
        entity = self._entities.get(name)
        if entity is None or rest:
            raise AmqpError(
                Condition.NOT_FOUND,
                f"The messaging entity '{path}' could not be found. To know more visit https://aka.ms/sbResourceMgrExceptions.",
            )
        return entity, entity.main if name == path.lower() else entity.dead_letters
