"""Event hubs to test on, and short ways to send to them and to read them."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient, PartitionContext

from emulators.messaging.entities import ConsumerGroupConfig, Entities, EventHubConfig
from emulators.messaging.server import MessagingServer

HUBS = Entities(
    event_hubs=[
        EventHubConfig(name="market", partition_count=4, consumer_groups=[ConsumerGroupConfig(name="cg1")]),
        EventHubConfig(name="single", partition_count=1),
    ]
)


def producer(server: MessagingServer, hub: str = "single", **options: Any) -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(
        server.connection_string, eventhub_name=hub, retry_total=0, **options
    )


def consumer(server: MessagingServer, hub: str = "single", group: str = "$Default", **options: Any) -> Any:
    return EventHubConsumerClient.from_connection_string(
        server.connection_string, group, eventhub_name=hub, retry_total=0, **options
    )


_producers: WeakKeyDictionary[MessagingServer, dict[str, EventHubProducerClient]] = WeakKeyDictionary()


async def send(server: MessagingServer, *bodies: str, hub: str = "single", **options: Any) -> None:
    """Send on a connection that is kept, for the SDK takes half a second to open one."""
    clients = _producers.setdefault(server, {})
    if hub not in clients:
        clients[hub] = producer(server, hub)
    await clients[hub].send_batch([EventData(body) for body in bodies], **options)


async def receive(client: EventHubConsumerClient, count: int, **options: Any) -> list[EventData]:
    """The first `count` events from a position on."""
    events: list[EventData] = []
    enough = asyncio.Event()

    async def on_batch(_context: PartitionContext, batch: list[EventData]) -> None:
        events.extend(batch)
        if len(events) >= count:
            enough.set()

    async with client:
        receiving = asyncio.create_task(client.receive_batch(on_batch, **({"starting_position": "-1"} | options)))
        async with asyncio.timeout(20):
            await enough.wait()
    await ended(receiving)
    return events


async def ended(*receiving: "asyncio.Task[None]") -> None:
    """The client is closed, but its processor sleeps until it would balance the load again."""
    for task in receiving:
        task.cancel()
    await asyncio.wait(receiving)


def bodies(events: list[EventData]) -> list[str]:
    return [event.body_as_str() for event in events]
