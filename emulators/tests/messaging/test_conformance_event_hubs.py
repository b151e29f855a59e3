"""What Azure's documentation and the SDK's samples say of Event Hubs, each with its page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.eventhub import EventData
from azure.eventhub._buffered_producer._partition_resolver import compute_hash
from azure.eventhub.aio import EventHubProducerClient, PartitionContext
from azure.eventhub.aio._eventprocessor.in_memory_checkpoint_store import InMemoryCheckpointStore
from azure.eventhub.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType
from hypothesis import given
from hypothesis import strategies as st

from emulators.messaging.partition_keys import _hash, partition_of
from emulators.messaging.server import MessagingServer
from emulators.tests.messaging.hubs import HUBS, bodies, consumer, ended, producer, receive, send


@pytest.fixture
async def server(dsn: str) -> AsyncIterator[MessagingServer]:
    async with MessagingServer.start(dsn, HUBS) as running:
        yield running


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_partition_keys_hash_as_in_the_sdk(key: str) -> None:
    """azure-eventhub 5.15 `_buffered_producer/_partition_resolver.py`, which repeats the service's hash."""
    assert _hash(key.encode()) == tuple(compute_hash(key))


@pytest.mark.parametrize(("key", "partition"), [("a", 4), ("NSE:INFY", 4), ("user-1", 5), ("grüße", 7)])
def test_partition_of_a_key_never_changes(key: str, partition: int) -> None:
    """https://learn.microsoft.com/azure/event-hubs/event-hubs-features#mapping-of-events-to-partitions"""
    assert partition_of(key, 8) == partition


async def test_buffered_producer_delivers_everything(server: MessagingServer) -> None:
    """azure-sdk-for-python samples/async_samples/send_buffered_mode_async.py"""
    succeeded: list[str] = []

    async def on_success(events: list[Any], partition_id: str | None) -> None:
        succeeded.extend(event.body_as_str() for event in events)

    async def on_error(_events: list[Any], _partition_id: str | None, error: Exception) -> None:
        raise error

    client = EventHubProducerClient.from_connection_string(
        server.connection_string,
        eventhub_name="market",
        buffered_mode=True,
        on_success=on_success,
        on_error=on_error,
        max_wait_time=1,
    )
    async with client:
        for number in range(40):
            await client.send_event(EventData(str(number)))
        await client.flush()
    assert sorted(succeeded) == sorted(map(str, range(40)))
    assert len(await receive(consumer(server, "market"), 40)) == 40


async def test_consumer_continues_after_its_checkpoint(server: MessagingServer) -> None:
    """azure-sdk-for-python samples/async_samples/recv_with_checkpoint_store_async.py"""
    store = InMemoryCheckpointStore()
    await send(server, "a", "b", "c")

    async def read(count: int) -> list[str]:
        found: list[str] = []
        enough = asyncio.Event()

        async def on_event(context: PartitionContext, event: EventData) -> None:
            found.append(event.body_as_str())
            await context.update_checkpoint(event)
            if len(found) == count:
                enough.set()

        async with consumer(server, checkpoint_store=store) as client:
            receiving = asyncio.create_task(client.receive(on_event, starting_position="-1"))
            await asyncio.wait_for(enough.wait(), 20)
        await ended(receiving)
        return found

    assert await read(3) == ["a", "b", "c"]
    await send(server, "d", "e")
    assert await read(2) == ["d", "e"]


async def test_two_processors_share_the_partitions(server: MessagingServer) -> None:
    """https://learn.microsoft.com/azure/event-hubs/event-processor-balance-partition-load"""
    store = InMemoryCheckpointStore()
    owned: list[set[str]] = [set(), set()]
    balanced = asyncio.Event()

    def reading(client: Any, index: int) -> "asyncio.Task[None]":
        async def on_open(context: PartitionContext) -> None:
            owned[index].add(context.partition_id)
            if all(len(one) >= 2 for one in owned) and owned[0] | owned[1] == {"0", "1", "2", "3"}:
                balanced.set()

        async def ignore(_context: PartitionContext, _event: EventData) -> None:
            return

        return asyncio.create_task(client.receive(ignore, on_partition_initialize=on_open))

    options: dict[str, Any] = {"checkpoint_store": store, "load_balancing_interval": 0.2}
    async with consumer(server, "market", **options) as first, consumer(server, "market", **options) as second:
        tasks = [reading(first, 0), reading(second, 1)]
        await asyncio.wait_for(balanced.wait(), 30)
    await ended(*tasks)


async def test_quiet_partitions_report_after_the_longest_wait(server: MessagingServer) -> None:
    """`max_wait_time` of azure-eventhub's EventHubConsumerClient.receive: called with None when nothing comes."""
    called = asyncio.Event()

    async def on_event(_context: PartitionContext, event: EventData | None) -> None:
        assert event is None
        called.set()

    async with consumer(server) as client:
        receiving = asyncio.create_task(client.receive(on_event, max_wait_time=0.2))
        await asyncio.wait_for(called.wait(), 20)
    await ended(receiving)


async def test_value_bodies_and_annotations_pass_unchanged(server: MessagingServer) -> None:
    """azure-sdk-for-python samples/async_samples/send_and_receive_amqp_annotated_message_async.py"""
    message = AmqpAnnotatedMessage(value_body={"n": [1, "two"]}, annotations={"own": "kept"})
    async with producer(server) as client:
        await client.send_batch([message, AmqpAnnotatedMessage(sequence_body=[[1], ["x"]])])
    value, sequence = await receive(consumer(server), 2)
    assert value.body_type is AmqpMessageBodyType.VALUE
    assert value.raw_amqp_message.body == {b"n": [1, b"two"]}
    assert value.raw_amqp_message.annotations is not None
    assert value.raw_amqp_message.annotations[b"own"] == b"kept"
    assert sequence.body_type is AmqpMessageBodyType.SEQUENCE


async def test_batch_keeps_one_partition_and_its_order(server: MessagingServer) -> None:
    """https://learn.microsoft.com/azure/event-hubs/event-hubs-features: order is kept within a partition."""
    async with producer(server, "market") as client:
        batch = await client.create_batch(partition_key="k")
        for number in range(200):
            batch.add(EventData(str(number)))
        await client.send_batch(batch)
    events = await receive(consumer(server, "market"), 200)
    assert bodies(events) == [str(number) for number in range(200)]
    assert {event.partition_key for event in events} == {b"k"}


async def test_sent_at_broker_time_not_the_sender_s(server: MessagingServer) -> None:
    """https://learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide: the broker owns its annotations."""
    forged = AmqpAnnotatedMessage(
        data_body=b"x", annotations={"x-opt-sequence-number": 99, "x-opt-offset": "99", "x-opt-enqueued-time": 1}
    )
    async with producer(server) as client:
        await client.send_event(forged)
    [event] = await receive(consumer(server), 1)
    assert (event.sequence_number, event.offset) == (0, "0")
    assert event.enqueued_time is not None
    assert event.enqueued_time.year > 2000
