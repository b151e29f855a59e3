"""Event hubs, driven by the unmodified azure-eventhub SDK, asynchronous and synchronous."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.eventhub import EventData
from azure.eventhub import EventHubConsumerClient as SyncConsumer
from azure.eventhub import EventHubProducerClient as SyncProducer
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient, PartitionContext
from azure.eventhub.exceptions import AuthenticationError, ConnectError, EventDataSendError, EventHubError

from emulators.messaging.event_hubs import EventPartition, Reader
from emulators.messaging.partition_keys import partition_of
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.tests.messaging.hubs import HUBS, bodies, consumer, ended, producer, receive, send


@pytest.fixture
async def server(dsn: str) -> AsyncIterator[MessagingServer]:
    async with MessagingServer.start(dsn, HUBS) as running:
        yield running


async def test_events_arrive_with_their_place_in_the_stream(server: MessagingServer) -> None:
    event = EventData("full")
    event.properties = {"text": "é", "number": 7}
    event.content_type, event.message_id, event.correlation_id = "application/json", "m", "c"
    async with producer(server) as client:
        await client.send_batch([EventData("zero"), event])
    before = datetime.now(UTC)
    zero, full = await receive(consumer(server), 2)
    assert (zero.sequence_number, zero.offset, full.sequence_number) == (0, "0", 1)
    assert full.offset is not None
    assert int(full.offset) > 0
    assert full.properties == {b"text": "é".encode(), b"number": 7}
    assert (full.content_type, full.message_id, full.correlation_id) == ("application/json", "m", "c")
    assert full.enqueued_time is not None
    assert abs(before - full.enqueued_time) < timedelta(minutes=1)


async def test_hub_and_partitions_describe_themselves(server: MessagingServer) -> None:
    async with producer(server, "market") as client:
        properties = await client.get_eventhub_properties()
        assert (properties["eventhub_name"], properties["partition_ids"]) == ("market", ["0", "1", "2", "3"])
        empty = await client.get_partition_properties("2")
        assert (empty["is_empty"], empty["last_enqueued_sequence_number"], empty["last_enqueued_offset"]) == (
            True,
            -1,
            "-1",
        )
        await client.send_batch([EventData("a"), EventData("b")], partition_id="2")
        filled = await client.get_partition_properties("2")
    assert (filled["is_empty"], filled["beginning_sequence_number"]) == (False, 0)
    assert filled["last_enqueued_sequence_number"] == 1
    assert datetime.now(UTC) - filled["last_enqueued_time_utc"] < timedelta(minutes=1)


async def test_partition_key_leads_to_one_stable_partition(server: MessagingServer) -> None:
    keys = [f"key-{number}" for number in range(8)]
    async with producer(server, "market") as client:
        for key in keys * 2:
            await client.send_batch([EventData(key)], partition_key=key)
    places: dict[str, set[int]] = {}

    async with consumer(server, "market") as client:
        enough = asyncio.Event()
        seen = []

        async def on_event(context: PartitionContext, event: EventData) -> None:
            assert event.partition_key == event.body_as_str().encode()
            places.setdefault(event.body_as_str(), set()).add(int(context.partition_id))
            seen.append(event)
            if len(seen) == 16:
                enough.set()

        receiving = asyncio.create_task(client.receive(on_event, starting_position="-1"))
        await asyncio.wait_for(enough.wait(), 20)
    await ended(receiving)
    assert places == {key: {partition_of(key, 4)} for key in keys}


async def test_events_without_a_key_take_turns(server: MessagingServer) -> None:
    async with producer(server, "market") as client:
        for number in range(4):
            await client.send_batch([EventData(str(number))])
        ends = [await client.get_partition_properties(str(number)) for number in range(4)]
    assert [end["last_enqueued_sequence_number"] for end in ends] == [0, 0, 0, 0]


async def test_each_consumer_group_reads_everything(server: MessagingServer) -> None:
    await send(server, "a", "b", hub="market", partition_id="0")
    for group in ("$Default", "CG1"):
        assert bodies(await receive(consumer(server, "market", group), 2)) == ["a", "b"]


@pytest.mark.parametrize(
    ("position", "inclusive", "expected"),
    [("-1", False, "0"), (2, False, "3"), (2, True, "2"), ("offset", False, "3"), ("offset", True, "2")],
)
async def test_reading_starts_where_it_was_asked_to(
    server: MessagingServer, position: str | int, inclusive: bool, expected: str
) -> None:
    await send(server, *map(str, range(5)))
    if position == "offset":
        [*_, third] = (await receive(consumer(server), 5))[:3]
        assert third.offset is not None
        position = third.offset
    events = await receive(
        consumer(server), 5 - int(expected), starting_position=position, starting_position_inclusive=inclusive
    )
    assert bodies(events) == [str(number) for number in range(int(expected), 5)]


async def test_reading_starts_at_a_time(server: MessagingServer) -> None:
    await send(server, "before")
    [before] = await receive(consumer(server), 1)
    assert before.enqueued_time is not None
    await send(server, "after")
    inclusive = await receive(
        consumer(server), 2, starting_position=before.enqueued_time, starting_position_inclusive=True
    )
    assert bodies(inclusive) == ["before", "after"]
    assert bodies(await receive(consumer(server), 1, starting_position=before.enqueued_time)) == ["after"]


async def test_latest_gets_only_what_comes_afterwards(
    server: MessagingServer, partition: EventPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined, join = asyncio.Event(), partition.join

    def join_and_tell(group: str, reader: Reader) -> None:
        join(group, reader)
        joined.set()

    monkeypatch.setattr(partition, "join", join_and_tell)
    await send(server, "old")
    async with consumer(server) as client:
        arrived: asyncio.Queue[str] = asyncio.Queue()

        async def on_event(_context: PartitionContext, event: EventData) -> None:
            arrived.put_nowait(event.body_as_str())

        receiving = asyncio.create_task(client.receive(on_event, starting_position="@latest"))
        await asyncio.wait_for(joined.wait(), 20)
        await send(server, "new")
        assert await asyncio.wait_for(arrived.get(), 20) == "new"
    await ended(receiving)


async def test_reader_behind_memory_and_restart_misses_nothing(dsn: str) -> None:
    settings = ServerSettings(cache_bytes=2000)
    async with MessagingServer.start(dsn, HUBS, settings=settings) as server:
        for batch in range(20):
            await send(server, *(f"{batch}-{number}" for number in range(30)))
    async with MessagingServer.start(dsn, HUBS, settings=settings) as server:
        await send(server, "last")
        events = await receive(consumer(server), 601, prefetch=50)
    assert [event.sequence_number for event in events] == list(range(601))
    assert bodies(events)[-1] == "last"
    assert bodies(events)[599] == "19-29"


async def test_higher_epoch_disconnects_the_reader_before(server: MessagingServer) -> None:
    await send(server, "event")
    old, new = consumer(server), consumer(server)
    errors: asyncio.Queue[Exception] = asyncio.Queue()
    got: dict[str, asyncio.Event] = {"old": asyncio.Event(), "new": asyncio.Event()}

    def reading(client: EventHubConsumerClient, name: str, level: int) -> "asyncio.Task[None]":
        async def on_event(_context: PartitionContext, _event: EventData) -> None:
            got[name].set()

        async def on_error(_context: PartitionContext, error: Exception) -> None:
            errors.put_nowait(error)

        options: dict[str, Any] = {"partition_id": "0", "starting_position": "-1", "owner_level": level}
        return asyncio.create_task(client.receive(on_event, on_error=on_error, **options))

    async with old, new:
        tasks = [reading(old, "old", 1)]
        await asyncio.wait_for(got["old"].wait(), 20)
        tasks.append(reading(new, "new", 2))
        await asyncio.wait_for(got["new"].wait(), 20)
        error = await asyncio.wait_for(errors.get(), 20)
    await ended(*tasks)
    assert "higher epoch" in str(error)
    assert isinstance(error, EventHubError)


async def test_lower_epoch_is_refused_while_a_higher_reads(server: MessagingServer) -> None:
    partition = server.broker.event_hub("single").partitions[0]
    partition.join("$default", _Reader(5))
    errors: asyncio.Queue[Exception] = asyncio.Queue()

    async def on_error(_context: PartitionContext, error: Exception) -> None:
        errors.put_nowait(error)

    async def ignore(_context: PartitionContext, _event: EventData) -> None:
        return

    async with consumer(server) as client:
        receiving = asyncio.create_task(client.receive(ignore, on_error=on_error, partition_id="0", owner_level=4))
        error = await asyncio.wait_for(errors.get(), 20)
    await ended(receiving)
    assert "epoch of '5'" in str(error)


class _Reader:
    def __init__(self, epoch: int | None = None) -> None:
        self.epoch = epoch
        self.closed = False

    def on_events(self) -> None:
        return

    def close(self, error: Exception) -> None:
        self.closed = True


def test_partition_takes_five_readers_without_epoch(partition: EventPartition) -> None:
    readers = [_Reader() for _ in range(5)]
    for reader in readers:
        partition.join("g", reader)
    with pytest.raises(Exception, match="maximum number of allowed receivers"):
        partition.join("g", _Reader())
    partition.join("other", _Reader())
    partition.join("g", _Reader(0))
    assert all(reader.closed for reader in readers)


@pytest.fixture
async def partition(server: MessagingServer) -> EventPartition:
    return server.broker.event_hub("single").partitions[0]


async def test_retention_drops_whole_blocks_from_the_beginning(
    server: MessagingServer, partition: EventPartition
) -> None:
    await send(server, "a", "b")
    await send(server, "c")
    _, _, last = await receive(consumer(server), 3)
    assert last.enqueued_time is not None
    await partition.trim(int(last.enqueued_time.timestamp() * 1000))
    await server.broker.store.committed()
    async with producer(server) as client:
        properties = await client.get_partition_properties("0")
    assert properties["beginning_sequence_number"] == 2
    assert bodies(await receive(consumer(server), 1)) == ["c"]
    assert bodies(await receive(consumer(server), 1, starting_position=0)) == ["c"]
    await partition.trim(int(last.enqueued_time.timestamp() * 1000) + 60_000)
    assert (partition.begin, partition.visible) == (3, 3)
    await send(server, "d")
    [event] = await receive(consumer(server), 1)
    assert event.sequence_number == 3


async def test_batches_are_bounded_by_a_megabyte(server: MessagingServer) -> None:
    async with producer(server) as client:
        batch = await client.create_batch()
        assert batch.max_size_in_bytes == 1024 * 1024
        batch.add(EventData(b"x" * 1_000_000))
        with pytest.raises(ValueError, match="size limit"):
            batch.add(EventData(b"x" * 100_000))
        await client.send_batch(batch)
        with pytest.raises(EventHubError):
            await client.send_event(EventData(b"x" * (1024 * 1024 + 10)))
    [event] = await receive(consumer(server), 1)
    assert len(event.body_as_str()) == 1_000_000


async def test_what_does_not_exist_is_refused(server: MessagingServer) -> None:
    async with producer(server, "absent") as client:
        with pytest.raises((EventHubError, ConnectError, AuthenticationError)):
            await client.get_eventhub_properties()
    async with producer(server) as client:
        with pytest.raises(EventHubError):
            await client.send_batch([EventData("x")], partition_id="7")
        with pytest.raises(EventHubError):
            await client.send_batch([EventData("x")], partition_key="k" * 200)


@pytest.mark.parametrize(
    ("position", "words"), [("999999", "supplied offset"), (999, "supplied sequence number"), ("@x", "not supported")]
)
async def test_positions_beyond_the_stream_are_errors(server: MessagingServer, position: Any, words: str) -> None:
    await send(server, "only")
    errors: asyncio.Queue[Exception] = asyncio.Queue()

    async def on_error(_context: PartitionContext, error: Exception) -> None:
        errors.put_nowait(error)

    async def ignore(_context: PartitionContext, _event: EventData) -> None:
        return

    async with consumer(server) as client:
        options: dict[str, Any] = {"partition_id": "0", "starting_position": position}
        receiving = asyncio.create_task(client.receive(ignore, on_error=on_error, **options))
        error = await asyncio.wait_for(errors.get(), 20)
    await ended(receiving)
    assert words in str(error)


async def test_reader_tracks_the_end_of_its_partition(server: MessagingServer) -> None:
    await send(server, "a", "b", "c")
    async with consumer(server) as client:
        found: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def on_event(context: PartitionContext, _event: EventData) -> None:
            assert context.last_enqueued_event_properties is not None
            found.put_nowait(context.last_enqueued_event_properties)

        receiving = asyncio.create_task(
            client.receive(on_event, starting_position="-1", track_last_enqueued_event_properties=True)
        )
        end = await asyncio.wait_for(found.get(), 20)
    await ended(receiving)
    assert end["sequence_number"] == 2
    assert int(end["offset"]) > 0


async def test_synchronous_clients_send_and_receive(server: MessagingServer) -> None:
    def work() -> list[str]:
        with SyncProducer.from_connection_string(server.connection_string, eventhub_name="single") as sender:
            batch = sender.create_batch(partition_id="0")
            batch.add(EventData("sync"))
            sender.send_batch(batch)
        found: list[str] = []
        done = threading.Event()

        def on_event(_context: Any, event: EventData | None) -> None:
            assert event is not None
            found.append(event.body_as_str())
            done.set()

        receiver = SyncConsumer.from_connection_string(server.connection_string, "$Default", eventhub_name="single")
        thread = threading.Thread(target=lambda: receiver.receive(on_event, starting_position="-1"))
        thread.start()
        assert done.wait(20)
        receiver.close()
        thread.join(20)
        return found

    assert await asyncio.to_thread(work) == ["sync"]


async def test_wrong_key_opens_nothing(server: MessagingServer) -> None:
    wrong = server.connection_string.replace("SharedAccessKey=", "SharedAccessKey=x")
    async with EventHubProducerClient.from_connection_string(wrong, eventhub_name="single", retry_total=0) as client:
        with pytest.raises((AuthenticationError, ConnectError, EventDataSendError)):
            await client.send_event(EventData("x"))
