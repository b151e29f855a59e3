"""Auto-forwarding: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-auto-forwarding"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

from emulators.messaging.entities import (
    ConfigError,
    Entities,
    QueueConfig,
    QueueProperties,
    SubscriptionConfig,
    TopicConfig,
)
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.tests.messaging.test_queues import receive, send
from emulators.tests.messaging.test_topics import publish
from emulators.tests.support.waiting import eventually


def _queue(name: str, **properties: Any) -> QueueConfig:
    return QueueConfig(name=name, properties=QueueProperties(**properties))


_ENTITIES = Entities(
    queues=[
        _queue("end"),
        _queue("hop1", forward_to="end"),
        _queue("hop2", forward_to="hop1"),
        _queue("hop3", forward_to="hop2"),
        _queue("hop4", forward_to="HOP3"),
        _queue("hop5", forward_to="hop4"),
        _queue("graves"),
        _queue("mortal", max_delivery_count=1, forward_dead_lettered_messages_to="graves"),
        _queue("there", forward_to="back"),
        _queue("back", forward_to="there"),
        _queue("lanes", requires_session=True),
        _queue("to-lanes", forward_to="lanes"),
        _queue("to-news", forward_to="news"),
        _queue("once", requires_duplicate_detection=True),
        _queue("to-once", forward_to="once"),
    ],
    topics=[
        TopicConfig(
            name="news",
            subscriptions=[
                SubscriptionConfig(name="moved", properties=QueueProperties(forward_to="end")),
                SubscriptionConfig(name="kept"),
            ],
        )
    ],
)


@pytest.fixture
async def server(dsn: str) -> AsyncIterator[MessagingServer]:
    async with MessagingServer.start(dsn, _ENTITIES) as running:
        yield running


async def bodies(client: ServiceBusClient, queue: str, **options: Any) -> list[str]:
    async with client.get_queue_receiver(queue, **options) as receiver:
        return [str(message) for message in await receiver.peek_messages(100)]


async def first(client: ServiceBusClient, queue: str, **options: Any) -> ServiceBusReceivedMessage:
    async with client.get_queue_receiver(queue, **options) as receiver:
        [message] = await receive(receiver)
        await receiver.complete_message(message)
        return message


def _transferred(server: MessagingServer, queue: str) -> int:
    return server.broker.queues[queue].figures().transfer_dead_letter


async def test_chain_of_four_hops_delivers_in_order(client: ServiceBusClient, dsn: str) -> None:
    await send(client, "hop4", *(ServiceBusMessage(str(index), message_id=str(index)) for index in range(20)))
    assert await bodies(client, "end") == [str(index) for index in range(20)]
    found = await first(client, "end")
    assert (found.message_id, found.sequence_number, found.enqueued_sequence_number) == ("0", 1, 1)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*), min(hops), max(hops) FROM message").fetchone() == (19, 4, 4)


async def test_fifth_hop_leaves_the_message_behind(client: ServiceBusClient, server: MessagingServer) -> None:
    await send(client, "hop5", ServiceBusMessage("far"))
    assert await bodies(client, "end") == []
    assert _transferred(server, "hop1") == 1
    left = await first(client, "hop1", sub_queue=ServiceBusSubQueue.TRANSFER_DEAD_LETTER)
    assert (str(left), left.dead_letter_reason) == ("far", "MaxTransferHopCountExceeded")
    assert _transferred(server, "hop1") == 0


async def test_circle_of_two_queues_ends_after_four_hops(client: ServiceBusClient, server: MessagingServer) -> None:
    await send(client, "there", ServiceBusMessage("round"))
    assert (_transferred(server, "there"), _transferred(server, "back")) == (1, 0)


async def test_dead_letters_move_with_their_reason(client: ServiceBusClient, server: MessagingServer) -> None:
    await send(client, "mortal", ServiceBusMessage("poison"), ServiceBusMessage("bad"))
    async with client.get_queue_receiver("mortal") as receiver:
        poison, bad = await receive(receiver, 2)
        await receiver.abandon_message(poison)
        await receiver.dead_letter_message(bad, reason="bad", error_description="very")
    found = [await first(client, "graves"), await first(client, "graves")]
    assert [(str(one), one.dead_letter_reason, one.dead_letter_source) for one in found] == [
        ("poison", "MaxDeliveryCountExceeded", "mortal"),
        ("bad", "bad", "mortal"),
    ]
    assert server.broker.queues["mortal"].figures().dead_letter == 0


async def test_subscription_and_topic_are_links_of_a_chain(client: ServiceBusClient) -> None:
    await publish(client, "news", ServiceBusMessage("direct"))
    await send(client, "to-news", ServiceBusMessage("through"))
    assert await bodies(client, "end") == ["direct", "through"]
    async with client.get_subscription_receiver("news", "kept") as receiver:
        assert [str(one) for one in await receiver.peek_messages(10)] == ["direct", "through"]


async def test_scheduled_message_is_forwarded_when_due(client: ServiceBusClient) -> None:
    due = datetime.now(UTC) + timedelta(seconds=0.3)
    async with client.get_queue_sender("hop1") as sender:
        await sender.schedule_messages(ServiceBusMessage("due"), due)
    found = await first(client, "end")
    assert found.enqueued_time_utc is not None
    assert found.enqueued_time_utc >= due - timedelta(milliseconds=2)


async def test_what_the_destination_refuses_waits_at_the_source(
    client: ServiceBusClient, server: MessagingServer
) -> None:
    await send(client, "to-lanes", ServiceBusMessage("fits", session_id="s"), ServiceBusMessage("refused"))
    assert _transferred(server, "to-lanes") == 1
    assert str(await first(client, "lanes", session_id="s")) == "fits"
    left = await first(client, "to-lanes", sub_queue=ServiceBusSubQueue.TRANSFER_DEAD_LETTER)
    assert (str(left), left.dead_letter_reason) == ("refused", "TransferFailed")


async def test_destination_detects_duplicates_of_what_is_forwarded(client: ServiceBusClient) -> None:
    await send(client, "to-once", ServiceBusMessage("a", message_id="1"), ServiceBusMessage("b", message_id="1"))
    await send(client, "once", ServiceBusMessage("c", message_id="1"))
    assert await bodies(client, "once") == ["a"]


async def test_forwarding_queue_has_no_receivers(client: ServiceBusClient) -> None:
    with pytest.raises(ServiceBusError, match="auto-forwarding"):
        async with client.get_queue_receiver("hop1") as receiver:
            await receive(receiver)


async def test_messages_from_before_are_forwarded_at_a_start(dsn: str) -> None:
    """What the queue held before it forwarded, its contents outside memory, moves whole and in order."""
    before = Entities(queues=[_queue("source"), _queue("target")])
    after = Entities(queues=[_queue("source", forward_to="target"), _queue("target")])
    settings = ServerSettings(cache_bytes=0)
    names = [str(index) for index in range(600)]
    async with (
        MessagingServer.start(dsn, before, settings=settings) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
    ):
        await send(client, "source", *(ServiceBusMessage(name) for name in names))
    async with MessagingServer.start(dsn, after, settings=settings) as server:
        queues = server.broker.queues
        await eventually(lambda: len(queues["target"].main.messages) == len(names))
        assert not queues["source"].main.messages
        async with ServiceBusClient.from_connection_string(server.connection_string) as client:
            assert await bodies(client, "target") == names[:100]
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT count(DISTINCT queue_id), count(*) FROM message").fetchone()
    assert found == (1, len(names))


def test_unknown_destination_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="'a' forwards to 'b'"):
        Entities(queues=[_queue("a", forward_to="b")]).check()
