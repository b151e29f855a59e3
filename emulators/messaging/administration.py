"""Creating, changing and deleting entities while the server runs.

What is created here is kept and comes back at the next start. What the configuration declares is again as declared
then: changes of its properties, and its deletion, last until the server ends. Rules that were changed stay changed for
as long as the declaration's own rules stay the same. Microsoft's emulator forgets all of it.
"""

import asyncio
import time

from pydantic import BaseModel

from emulators.messaging.broker import SUBSCRIPTIONS, Broker
from emulators.messaging.entities import QueueConfig, QueueProperties, SubscriptionConfig, TopicConfig, TopicProperties
from emulators.messaging.errors import AmqpError, Condition, entity_not_found
from emulators.messaging.queues import Queue
from emulators.messaging.rules import Rule
from emulators.messaging.topics import Subscription, Topic

_MAX_ENTITIES = 10_000
"""Queues and topics together, the standard tier's limit."""
_MAX_SUBSCRIPTIONS = 2000
_FIXED = ("requires_session", "requires_duplicate_detection", "enable_partitioning")


class Administration:
    """One change at a time. Every method returns when the change is committed, and raises AmqpError:

    entity-already-exists, not-found, argument-error, resource-limit-exceeded, server-busy.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._changing = asyncio.Lock()

    # --- creating ---------------------------------------------------------------------------------------------------

    async def create_queue(self, config: QueueConfig) -> Queue:
        async with self._changing:
            self._check_name(config.name)
            self._check_targets(config.name, config.properties)
            queue = Queue(config, self._broker.around)
            await queue.open()
            self._broker.queues[config.name.lower()] = queue
            return await self._created(queue, config)

    async def create_topic(self, config: TopicConfig) -> Topic:
        async with self._changing:
            self._check_name(config.name)
            topic = Topic(config, self._broker.around)
            await topic.open()
            self._broker.topics[config.name.lower()] = topic
            return await self._created(topic, config)

    async def create_subscription(
        self, topic: Topic, config: SubscriptionConfig, rule: Rule | None = None
    ) -> Subscription:
        """With `rule` instead of the one that takes everything."""
        async with self._changing:
            self._check_there(topic)
            if topic.subscription(config.name) is not None:
                raise _exists(f"{topic.config.name}/Subscriptions/{config.name}")
            if len(topic.subscriptions) >= _MAX_SUBSCRIPTIONS:
                raise AmqpError(Condition.RESOURCE_LIMIT, f"A topic has at most {_MAX_SUBSCRIPTIONS} subscriptions.")
            self._check_targets(topic.config.name, config.properties)
            subscription = Subscription(topic, config, self._broker.around)
            await subscription.open()
            if rule is not None:
                subscription.set_rules({rule.name: rule})
            topic.subscriptions.append(subscription)
            return await self._created(subscription, config)

    async def _created[Entity: Queue](self, entity: Entity, config: BaseModel) -> Entity:
        entity.start()
        entity.updated_at = time.time()
        await self._keep(entity, config)
        return entity

    def _check_there(self, entity: Queue) -> None:
        """It may have been deleted while another change was under way."""
        if self._broker.entity(entity.config.name.lower()) is not entity:
            raise entity_not_found(entity.config.name)

    def _check_name(self, name: str) -> None:
        if SUBSCRIPTIONS in f"/{name.lower()}/":
            raise AmqpError(
                Condition.ARGUMENT_ERROR, f"'{name}' is neither a queue's or topic's name nor a subscription."
            )
        if self._broker.entity(name.lower()) is not None or self._broker.hub_at(name) is not None:
            raise _exists(name)
        if len(self._broker.queues) + len(self._broker.topics) >= _MAX_ENTITIES:
            raise AmqpError(Condition.RESOURCE_LIMIT, f"A namespace has at most {_MAX_ENTITIES} queues and topics.")

    def _check_targets(self, name: str, properties: QueueProperties) -> None:
        for target in (properties.forward_to, properties.forward_dead_lettered_messages_to):
            if target and (self._broker.target(target.lower()) is None or target.lower() == name.lower()):
                raise AmqpError(
                    Condition.ARGUMENT_ERROR,
                    f"'{name}' cannot forward to '{target}', which is no other queue or topic.",
                )

    # --- changing ---------------------------------------------------------------------------------------------------

    async def change_queue(self, queue: Queue, properties: QueueProperties) -> None:
        """Also for subscriptions."""
        async with self._changing:
            self._check_there(queue)
            _check_fixed(queue.config.properties, properties)
            source = queue.topic.config.name if isinstance(queue, Subscription) else queue.config.name
            self._check_targets(source, properties)
            queue.reconfigure(properties)
            await self._keep(queue, _config(queue))

    async def change_topic(self, topic: Topic, properties: TopicProperties) -> None:
        async with self._changing:
            self._check_there(topic)
            _check_fixed(topic.properties, properties)
            topic.change(properties)
            await self._keep(topic, TopicConfig(name=topic.config.name, properties=properties))

    async def _keep(self, entity: Queue, config: BaseModel) -> None:
        if entity.config.name.lower() not in self._broker.declared:
            description = config.model_dump_json(by_alias=True)
            self._broker.store.write().describe(entity.id, type(entity).__name__, description, entity.updated_at)
        await self._broker.store.committed()

    # --- deleting ---------------------------------------------------------------------------------------------------

    async def delete(self, entity: Queue) -> None:
        """With all it holds; a topic with its subscriptions."""
        async with self._changing:
            self._check_there(entity)
            path = entity.config.name.lower()
            if isinstance(entity, Subscription):
                entity.topic.subscriptions.remove(entity)
            elif self._broker.queues.pop(path, None) is None:
                del self._broker.topics[path]
            for gone in [entity, *(entity.subscriptions if isinstance(entity, Topic) else ())]:
                gone.close()
            await self._broker.store.committed()


def _config(queue: Queue) -> BaseModel:
    if isinstance(queue, Subscription):
        return SubscriptionConfig(name=queue.name, properties=queue.config.properties)
    return queue.config


def _check_fixed(old: BaseModel, new: BaseModel) -> None:
    for name in _FIXED:
        if getattr(old, name, None) != getattr(new, name, None):
            pascal = "".join(word.capitalize() for word in name.split("_"))
            raise AmqpError(Condition.ARGUMENT_ERROR, f"The property {pascal} of an existing entity cannot be changed.")


def _exists(path: str) -> AmqpError:
    return AmqpError(Condition.ALREADY_EXISTS, f"The messaging entity '{path}' exists already.")
