"""kill -9 under load: no event and no copy that was acknowledged is lost, and the stream stays whole."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient, PartitionContext
from azure.servicebus import ServiceBusMessage

from emulators.tests.messaging.test_crashes import ServerProcess
from emulators.tests.messaging.test_topics import CONFIG

_HUBS = {"NamespaceConfig": [{"Entities": [{"Name": "hub", "PartitionCount": "1"}]}]}


@pytest.fixture
async def process(dsn: str, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    config = tmp_path / "Config.json"
    config.write_text(json.dumps({"UserConfig": CONFIG["UserConfig"] | _HUBS}))
    running = ServerProcess(config, "--database", dsn)
    await running.start()
    yield running
    await running.stop(signal.SIGKILL)


async def _killed_under_load(process: ServerProcess, acknowledged: list[str], produce: Any) -> None:
    """Three rounds of producing until some were acknowledged, then a kill."""
    for round_number in range(3):
        producing = asyncio.create_task(produce(round_number))
        before = len(acknowledged)
        while len(acknowledged) < before + 20 * (round_number + 1):
            await asyncio.wait({producing}, timeout=0.01)
        await process.stop(signal.SIGKILL)
        producing.cancel()
        await asyncio.gather(producing, return_exceptions=True)
        await process.start()


@pytest.mark.crash
async def test_acknowledged_events_outlive_kills_in_one_gapless_stream(process: ServerProcess) -> None:
    acknowledged: list[str] = []

    async def produce(round_number: int) -> None:
        async with EventHubProducerClient.from_connection_string(
            process.connection_string, eventhub_name="hub", retry_total=0
        ) as producer:
            for index in range(1000):
                name = f"{round_number}-{index}"
                await producer.send_batch([EventData(name)])
                acknowledged.append(name)

    await _killed_under_load(process, acknowledged, produce)
    numbers, seen = await _read_until(process, acknowledged[-1])
    assert numbers == list(range(len(numbers)))
    # An event whose answer was lost may stand there without having been acknowledged.
    assert [name for name in seen if name in set(acknowledged)] == acknowledged


async def _read_until(process: ServerProcess, last: str) -> tuple[list[int | None], list[str]]:
    numbers: list[int | None] = []
    seen: list[str] = []
    enough = asyncio.Event()

    async def on_event(_context: PartitionContext, event: EventData) -> None:
        numbers.append(event.sequence_number)
        seen.append(event.body_as_str())
        if seen[-1] == last:
            enough.set()

    async with EventHubConsumerClient.from_connection_string(
        process.connection_string, "$Default", eventhub_name="hub"
    ) as consumer:
        receiving = asyncio.create_task(consumer.receive(on_event, starting_position="-1"))
        await asyncio.wait_for(enough.wait(), 20)
    receiving.cancel()
    await asyncio.wait({receiving})
    return numbers, seen


@pytest.mark.crash
async def test_every_subscription_has_each_acknowledged_message_once(process: ServerProcess, dsn: str) -> None:
    acknowledged: list[str] = []

    async def produce(round_number: int) -> None:
        async with process.client() as client, client.get_topic_sender("orders") as sender:
            for index in range(1000):
                name = f"{round_number}-{index}"
                await sender.send_messages(ServiceBusMessage(name, message_id=name, session_id="s"))
                acknowledged.append(name)

    await _killed_under_load(process, acknowledged, produce)
    with psycopg.connect(dsn) as connection:
        query = "SELECT queue.name, array_agg(message_id ORDER BY sequence) FROM message, queue" \
            " WHERE queue_id = queue.id GROUP BY queue.name"  # fmt: skip
        stored: dict[str, list[str]] = dict(connection.execute(query).fetchall())
    everything = [stored[f"orders/subscriptions/{name}"] for name in ("all", "desk", "lanes")]
    # The copies of one send commit together: no subscription knows a message that another one lacks.
    assert everything[0] == everything[1] == everything[2]
    assert len(everything[0]) == len(set(everything[0]))
    assert set(acknowledged) <= set(everything[0])
