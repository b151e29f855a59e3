"""Queues, driven by the unmodified asynchronous SDK."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusReceiveMode, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusError,
)

from emulators.messaging.server import MessagingServer


async def send(client: ServiceBusClient, queue: str, *messages: ServiceBusMessage) -> None:
    async with client.get_queue_sender(queue) as sender:
        await sender.send_messages(list(messages))


async def receive(receiver: ServiceBusReceiver, count: int = 1) -> list[ServiceBusReceivedMessage]:
    received: list[ServiceBusReceivedMessage] = []
    while len(received) < count:
        batch = await receiver.receive_messages(max_message_count=count - len(received), max_wait_time=10)
        assert batch, f"only {len(received)} of {count} messages arrived"
        received += batch
    return received


async def test_message_arrives_with_everything_its_sender_set(client: ServiceBusClient) -> None:
    sent = ServiceBusMessage(
        b"\x00body\xff",
        message_id="m-1",
        subject="label",
        content_type="application/json",
        correlation_id="c-1",
        reply_to="answers",
        time_to_live=timedelta(hours=1),
        application_properties={"text": "é", "number": 7, "flag": True},
    )
    await send(client, "plain", sent)
    async with client.get_queue_receiver("plain") as receiver:
        [message] = await receive(receiver)
        await receiver.complete_message(message)
    assert b"".join(message.body) == b"\x00body\xff"
    assert (message.message_id, message.subject, message.content_type) == ("m-1", "label", "application/json")
    assert (message.correlation_id, message.reply_to, message.time_to_live) == ("c-1", "answers", timedelta(hours=1))
    assert message.application_properties == {b"text": "é".encode(), b"number": 7, b"flag": True}
    assert (message.sequence_number, message.delivery_count) == (1, 0)
    assert message.enqueued_time_utc is not None
    assert abs(message.enqueued_time_utc - datetime.now(UTC)) < timedelta(minutes=1)


async def test_value_bodies_and_annotations_pass_through_unchanged(client: ServiceBusClient) -> None:
    body = {"nested": [1, "two", None, 3.5]}
    annotations = {"x-opt-partition-key": "p", "custom": 1}
    async with client.get_queue_sender("plain") as sender:
        await sender.send_messages(AmqpAnnotatedMessage(value_body=body, annotations=annotations))
    async with client.get_queue_receiver("plain") as receiver:
        [message] = await receive(receiver)
    assert message.body_type is AmqpMessageBodyType.VALUE
    assert message.raw_amqp_message.body == {b"nested": [1, b"two", None, 3.5]}
    assert message.raw_amqp_message.annotations is not None
    assert message.raw_amqp_message.annotations[b"custom"] == 1
    assert message.partition_key == "p"


async def test_batch_is_taken_apart_in_order(client: ServiceBusClient) -> None:
    async with client.get_queue_sender("plain") as sender:
        batch = await sender.create_message_batch()
        for index in range(500):
            batch.add_message(ServiceBusMessage(str(index)))
        await sender.send_messages(batch)
    async with client.get_queue_receiver("plain", prefetch_count=200) as receiver:
        messages = await receive(receiver, 500)
    assert [str(message) for message in messages] == [str(index) for index in range(500)]
    assert [message.sequence_number for message in messages] == list(range(1, 501))


async def test_abandoned_message_comes_back_counted(client: ServiceBusClient) -> None:
    await send(client, "plain", ServiceBusMessage("again"))
    async with client.get_queue_receiver("plain") as receiver:
        [first] = await receive(receiver)
        await receiver.abandon_message(first)
        [second] = await receive(receiver)
    assert (first.delivery_count, second.delivery_count) == (0, 1)
    assert first.sequence_number == second.sequence_number


async def test_closed_receiver_gives_back_what_it_prefetched(client: ServiceBusClient) -> None:
    await send(client, "plain", *(ServiceBusMessage(str(index)) for index in range(20)))
    async with client.get_queue_receiver("plain", prefetch_count=20) as receiver:
        [kept] = await receive(receiver)
        await receiver.complete_message(kept)
    async with client.get_queue_receiver("plain") as receiver:
        rest = await receive(receiver, 19)
    assert {message.delivery_count for message in rest} == {0}


async def test_expired_locks_end_in_the_dead_letters(client: ServiceBusClient) -> None:
    await send(client, "brisk", ServiceBusMessage("poison", application_properties={"kept": "yes"}))
    async with client.get_queue_receiver("brisk") as receiver:
        [first] = await receive(receiver)
        [second] = await receive(receiver)
        assert (first.delivery_count, second.delivery_count) == (0, 1)
        async with client.get_queue_receiver("brisk", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
            [dead] = await receive(dead_letters)
            await dead_letters.complete_message(dead)
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    assert dead.dead_letter_source == "brisk"
    assert dead.application_properties is not None
    assert dead.application_properties[b"kept"] == b"yes"


async def test_renewed_lock_outlives_its_first_end(client: ServiceBusClient) -> None:
    await send(client, "brisk", ServiceBusMessage("slow"))
    async with client.get_queue_receiver("brisk") as receiver:
        [message] = await receive(receiver)
        first_end = message.locked_until_utc
        assert first_end is not None
        while datetime.now(UTC) < first_end + timedelta(seconds=0.3):
            renewed = await receiver.renew_message_lock(message)
        assert renewed > first_end
        await receiver.complete_message(message)
        assert await receiver.peek_messages() == []


async def test_settling_after_the_lock_is_lost_is_refused(client: ServiceBusClient) -> None:
    await send(client, "plain", ServiceBusMessage("mine"))
    async with client.get_queue_receiver("plain") as receiver:
        [message] = await receive(receiver)
        await receiver.complete_message(message)
        message._settled = False
        with pytest.raises(MessageLockLostError):
            await receiver.renew_message_lock(message)


async def test_dead_lettering_keeps_reason_and_description(client: ServiceBusClient) -> None:
    await send(client, "plain", ServiceBusMessage("bad"))
    async with client.get_queue_receiver("plain") as receiver:
        [message] = await receive(receiver)
        await receiver.dead_letter_message(message, reason="Unreadable", error_description="no JSON")
    async with client.get_queue_receiver("plain", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        [dead] = await receive(dead_letters)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("Unreadable", "no JSON")
    assert str(dead) == "bad"


async def test_deferred_message_is_had_by_number_only(client: ServiceBusClient) -> None:
    await send(client, "plain", ServiceBusMessage("later"), ServiceBusMessage("now"))
    async with client.get_queue_receiver("plain") as receiver:
        [later] = await receive(receiver)
        await receiver.defer_message(later)
        [now] = await receive(receiver)
        assert str(now) == "now"
        assert later.sequence_number is not None
        [found] = await receiver.receive_deferred_messages(later.sequence_number)
        await receiver.complete_message(found)
        with pytest.raises(MessageNotFoundError):
            await receiver.receive_deferred_messages(later.sequence_number)
    assert str(found) == "later"


async def test_receive_and_delete_leaves_nothing_behind(client: ServiceBusClient, server: MessagingServer) -> None:
    await send(client, "plain", *(ServiceBusMessage(str(index)) for index in range(10)))
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    async with client.get_queue_receiver("plain", receive_mode=mode) as receiver:
        messages = await receive(receiver, 10)
    assert [str(message) for message in messages] == [str(index) for index in range(10)]
    figures = server.broker.queues["plain"].figures()
    assert (figures.active, figures.locked) == (0, 0)


async def test_duplicate_within_the_window_is_dropped(client: ServiceBusClient) -> None:
    for _ in range(2):
        await send(client, "unique", ServiceBusMessage("once", message_id="same"))
    await send(client, "unique", ServiceBusMessage("other", message_id="other"))
    async with client.get_queue_receiver("unique") as receiver:
        messages = await receive(receiver, 2)
        assert [str(message) for message in messages] == ["once", "other"]
        assert await receiver.peek_messages(max_message_count=10, sequence_number=3) == []


async def test_expired_message_is_dead_lettered(client: ServiceBusClient) -> None:
    await send(client, "fleeting", ServiceBusMessage("old"))
    async with client.get_queue_receiver("fleeting", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        [dead] = await receive(dead_letters)
    assert dead.dead_letter_reason == "TTLExpiredException"


async def test_peek_shows_and_takes_nothing(client: ServiceBusClient) -> None:
    await send(client, "plain", *(ServiceBusMessage(str(index)) for index in range(3)))
    async with client.get_queue_receiver("plain") as receiver:
        peeked = await receiver.peek_messages(max_message_count=5)
        received = await receive(receiver, 3)
    assert [str(message) for message in peeked] == [str(message) for message in received] == ["0", "1", "2"]


async def test_settlement_outcome_is_confirmed_when_awaited(client: ServiceBusClient) -> None:
    await send(client, "plain", *(ServiceBusMessage(str(index)) for index in range(4)))
    async with client.get_queue_receiver("plain") as receiver:
        receiver._await_settlement_outcome = True
        messages = await receive(receiver, 4)
        await receiver.complete_message(messages[0])
        await receiver.abandon_message(messages[1])
        await receiver.dead_letter_message(messages[2], reason="r")
        await receiver.defer_message(messages[3])


async def test_oversize_message_is_refused_by_name(client: ServiceBusClient) -> None:
    async with client.get_queue_sender("plain") as sender:
        with pytest.raises(MessageSizeExceededError):
            await sender.send_messages(ServiceBusMessage(b"x" * (256 * 1024)))
        await sender.send_messages(ServiceBusMessage(b"x" * (250 * 1024)))
    async with client.get_queue_receiver("plain") as receiver:
        [message] = await receive(receiver)
    assert len(b"".join(message.body)) == 250 * 1024


async def test_unknown_queue_is_refused_by_name(client: ServiceBusClient) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        await send(client, "nowhere", ServiceBusMessage("x"))


@pytest.mark.parametrize(("name", "key"), [("RootManageSharedAccessKey", "wrong"), ("Nobody", "SAS_KEY_VALUE")])
async def test_wrong_key_is_refused_as_the_service_does(server: MessagingServer, name: str, key: str) -> None:
    string = f"Endpoint=sb://127.0.0.1:{server.port};SharedAccessKeyName={name};SharedAccessKey={key};UseDevelopmentEmulator=true;"
    async with ServiceBusClient.from_connection_string(string, retry_total=0) as client:
        with pytest.raises(ServiceBusAuthenticationError):
            await send(client, "plain", ServiceBusMessage("x"))


async def test_sessionless_message_is_refused_by_session_queue(client: ServiceBusClient) -> None:
    with pytest.raises(ServiceBusError, match="SessionId was not set"):
        await send(client, "lanes", ServiceBusMessage("x"))


async def test_many_senders_share_commits_and_lose_nothing(client: ServiceBusClient, server: MessagingServer) -> None:
    async with client.get_queue_receiver("plain", prefetch_count=100) as receiver:
        await asyncio.gather(
            *(
                send(client, "plain", *(ServiceBusMessage(f"{lane}-{index}") for index in range(10)))
                for lane in range(10)
            )
        )
        messages = await receive(receiver, 100)
        for message in messages:
            await receiver.complete_message(message)
        assert len({str(message) for message in messages}) == 100
        assert await receiver.peek_messages() == []
    assert server.broker.queues["plain"].figures().active == 0
