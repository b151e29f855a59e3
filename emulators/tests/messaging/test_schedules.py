"""Scheduled messages, driven by the unmodified asynchronous SDK.

"As the message transitions to the active state, the message is appended to the queue as if had been enqueued at the
current instant, which includes assigning a new SequenceNumber."
(https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing)
"""

from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import MessageNotFoundError

from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.tests.messaging.conftest import StartServer
from emulators.tests.messaging.test_queues import receive, send


def soon(seconds: float = 0.4) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_scheduled_message_joins_the_end_under_a_new_number(client: ServiceBusClient) -> None:
    due = soon()
    async with client.get_queue_sender("plain") as sender, client.get_queue_receiver("plain") as receiver:
        scheduled = await sender.schedule_messages([ServiceBusMessage("first"), ServiceBusMessage("second")], due)
        await send(client, "plain", ServiceBusMessage("at once"))
        messages = await receive(receiver, 3)
        with pytest.raises(MessageNotFoundError):
            await sender.cancel_scheduled_messages(scheduled)
    assert scheduled == [1, 2]
    assert [(str(message), message.sequence_number) for message in messages] == [
        ("at once", 3),
        ("first", 4),
        ("second", 5),
    ]
    assert all(message.enqueued_time_utc >= due - timedelta(milliseconds=2) for message in messages[1:])


async def test_cancelled_message_never_arrives(client: ServiceBusClient) -> None:
    async with client.get_queue_sender("plain") as sender, client.get_queue_receiver("plain") as receiver:
        numbers = await sender.schedule_messages([ServiceBusMessage("a"), ServiceBusMessage("b")], soon(3600))
        await sender.cancel_scheduled_messages(numbers[0])
        assert [str(message) for message in await receiver.peek_messages(max_message_count=5)] == ["b"]
        with pytest.raises(MessageNotFoundError):
            await sender.cancel_scheduled_messages(numbers)


async def test_messages_scheduled_into_empty_sessions_arrive_once(client: ServiceBusClient) -> None:
    async with client.get_queue_sender("lanes") as sender:
        [number] = await sender.schedule_messages(ServiceBusMessage("asked", session_id="a"), soon())
        await sender.schedule_messages(ServiceBusMessage("cancelled", session_id="a"), soon())
        await sender.cancel_scheduled_messages(number + 1)
        await sender.send_messages(ServiceBusMessage("sent", session_id="b", scheduled_enqueue_time_utc=soon()))
    for session_id, body in (("a", "asked"), ("b", "sent")):
        async with client.get_queue_receiver("lanes", session_id=session_id) as receiver:
            [message] = await receive(receiver)
            await receiver.complete_message(message)
            assert str(message) == body
            assert await receiver.peek_messages(max_message_count=5) == []


async def test_schedule_outside_memory_survives_a_restart(start_server: StartServer) -> None:
    settings = ServerSettings(cache_bytes=0)
    texts = [str(index) for index in range(20)]
    async with (
        start_server(settings) as server,
        connected(server) as client,
        client.get_queue_sender("plain") as sender,
    ):
        await sender.schedule_messages([ServiceBusMessage(text) for text in texts], soon(1))
    async with start_server(settings) as server, connected(server) as client:
        async with client.get_queue_receiver("plain") as receiver:
            messages = await receive(receiver, 20)
        await send(client, "plain", ServiceBusMessage("last"))
    assert [(str(message), message.sequence_number) for message in messages] == [
        (text, 21 + index) for index, text in enumerate(texts)
    ]


def connected(server: MessagingServer) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(server.connection_string, retry_total=0)
