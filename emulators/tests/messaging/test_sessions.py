"""Sessions, driven by the unmodified asynchronous SDK."""

import asyncio

import pytest
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from emulators.tests.messaging.test_queues import receive, send


def lane(session_id: str, count: int) -> list[ServiceBusMessage]:
    return [ServiceBusMessage(f"{session_id}{index}", session_id=session_id) for index in range(count)]


async def test_each_session_delivers_its_own_in_order(client: ServiceBusClient) -> None:
    mixed = [message for pair in zip(lane("a", 20), lane("b", 20), strict=True) for message in pair]
    await send(client, "lanes", *mixed)
    for session_id in ("b", "a"):
        async with client.get_queue_receiver("lanes", session_id=session_id) as receiver:
            messages = await receive(receiver, 20)
            for message in messages:
                await receiver.complete_message(message)
        assert [str(message) for message in messages] == [f"{session_id}{index}" for index in range(20)]


async def test_next_available_session_waits_for_one(client: ServiceBusClient) -> None:
    receiver = client.get_queue_receiver("lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=10)
    opening = asyncio.create_task(receiver.__aenter__())
    await send(client, "lanes", *lane("late", 1))
    async with await opening as opened:
        assert opened.session.session_id == "late"
        assert [str(message) for message in await receive(opened)] == ["late0"]


async def test_next_available_session_times_out_by_name(client: ServiceBusClient) -> None:
    receiver = client.get_queue_receiver("lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=0.5)
    with pytest.raises(OperationTimeoutError):
        await receiver.__aenter__()
    await receiver.close()


async def test_held_session_cannot_be_taken_until_closed(client: ServiceBusClient) -> None:
    await send(client, "lanes", *lane("one", 3))
    async with client.get_queue_receiver("lanes", session_id="one") as holder:
        [first] = await receive(holder)
        with pytest.raises(SessionCannotBeLockedError):
            await client.get_queue_receiver("lanes", session_id="one").__aenter__()
        await holder.complete_message(first)
        await receive(holder)
    async with client.get_queue_receiver("lanes", session_id="one") as heir:
        messages = await receive(heir, 2)
    assert [(str(message), message.delivery_count) for message in messages] == [("one1", 0), ("one2", 0)]


async def test_idle_receiver_hands_over_to_the_next_session(client: ServiceBusClient) -> None:
    await send(client, "lanes", *lane("x", 1), *lane("y", 1))
    seen = []
    for _ in range(2):
        async with client.get_queue_receiver("lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5) as receiver:
            [message] = await receive(receiver)
            await receiver.complete_message(message)
            seen.append(receiver.session.session_id)
    assert seen == ["x", "y"]


async def test_expired_session_lock_detaches_and_counts(client: ServiceBusClient) -> None:
    await send(client, "brisk-lanes", *lane("s", 1))
    async with client.get_queue_receiver("brisk-lanes", session_id="s") as receiver:
        [first] = await receive(receiver)
        with pytest.raises(SessionLockLostError):
            await receiver.receive_messages(max_wait_time=10)
    async with client.get_queue_receiver("brisk-lanes", session_id="s") as heir:
        [second] = await receive(heir)
        await heir.complete_message(second)
    assert (first.delivery_count, second.delivery_count) == (0, 1)


async def test_renewed_session_stays_with_its_receiver(client: ServiceBusClient) -> None:
    await send(client, "brisk-lanes", *lane("s", 1))
    async with client.get_queue_receiver("brisk-lanes", session_id="s") as receiver:
        [message] = await receive(receiver)
        first_end = receiver.session.locked_until_utc
        for _ in range(6):
            await receiver.receive_messages(max_wait_time=0.25)
            renewed = await receiver.session.renew_lock()
        assert first_end is not None
        assert renewed > first_end
        await receiver.complete_message(message)


async def test_session_state_outlives_its_receiver(client: ServiceBusClient) -> None:
    async with client.get_queue_receiver("lanes", session_id="memory") as receiver:
        assert await receiver.session.get_state() is None
        await receiver.session.set_state(b"\x00state")
    async with client.get_queue_receiver("lanes", session_id="memory") as receiver:
        assert await receiver.session.get_state() == b"\x00state"
        await receiver.session.set_state(None)
        assert await receiver.session.get_state() is None


async def test_receiver_kind_must_match_the_queue(client: ServiceBusClient) -> None:
    with pytest.raises(ServiceBusError, match="requires sessions"):
        await client.get_queue_receiver("lanes").__aenter__()
    with pytest.raises(ServiceBusError, match="sessionful message receiver"):
        await client.get_queue_receiver("plain", session_id="s").__aenter__()
