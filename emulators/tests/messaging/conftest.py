"""One PostgreSQL a test session, one database and one server a test."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from azure.eventhub._pyamqp.aio._client_async import AMQPClientAsync as EventHubAMQPClientAsync
from azure.eventhub.aio._eventprocessor.event_processor import EventProcessor
from azure.servicebus._pyamqp.aio._client_async import AMQPClientAsync
from azure.servicebus.aio import ServiceBusClient

from emulators.messaging.entities import QueueConfig, QueueProperties
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.processes.postgres import PostgresServer

QUEUES = [
    QueueConfig(name="plain"),
    QueueConfig(name="lanes", properties=QueueProperties(requires_session=True)),
    QueueConfig(
        name="brisk",
        properties=QueueProperties(lock_duration=timedelta(seconds=1), max_delivery_count=2),
    ),
    QueueConfig(
        name="brisk-lanes",
        properties=QueueProperties(lock_duration=timedelta(seconds=1), max_delivery_count=2, requires_session=True),
    ),
    QueueConfig(name="unique", properties=QueueProperties(requires_duplicate_detection=True)),
    QueueConfig(
        name="fleeting",
        properties=QueueProperties(
            default_message_time_to_live=timedelta(seconds=0.2), dead_lettering_on_message_expiration=True
        ),
    ),
]

_SDK_POLL_S = 0.05

type StartServer = Callable[..., AbstractAsyncContextManager[MessagingServer]]


@pytest.fixture(autouse=True)
def no_waiting_for_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits up to a second for an idle ping loop, or looks only once a second whether all has ended.

    Opening takes ten steps, and the SDKs look only each 50 ms whether one is done.
    """

    async def no_pings(_client: object) -> None:
        return

    async def stop_at_once(processor: EventProcessor) -> None:
        processor._running = False
        tasks = list(processor._tasks.values())
        await processor._cancel_tasks_for_partitions(list(processor._tasks))
        await asyncio.gather(*tasks, return_exceptions=True)

    sleep = asyncio.sleep

    async def look_again_soon(seconds: float, result: object = None) -> object:
        return await sleep(min(seconds, 0.002) if seconds <= _SDK_POLL_S else seconds, result)

    monkeypatch.setattr(asyncio, "sleep", look_again_soon)
    monkeypatch.setattr(AMQPClientAsync, "_keep_alive_async", no_pings)
    monkeypatch.setattr(EventHubAMQPClientAsync, "_keep_alive_async", no_pings)
    monkeypatch.setattr(EventProcessor, "stop", stop_at_once)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("messaging-postgres"), fsync=False)
    yield server
    server.stop()


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    return postgres.create_database(f"messaging_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def start_server(dsn: str) -> StartServer:
    def start(settings: ServerSettings | None = None) -> AbstractAsyncContextManager[MessagingServer]:
        return MessagingServer.start(dsn, QUEUES, settings=settings)

    return start


@pytest.fixture
async def server(start_server: StartServer) -> AsyncIterator[MessagingServer]:
    async with start_server() as running:
        yield running


@pytest.fixture
async def client(server: MessagingServer) -> AsyncIterator[ServiceBusClient]:
    async with ServiceBusClient.from_connection_string(server.connection_string, retry_total=0) as opened:
        yield opened


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The queues of these tests as a Config.json."""
    queues = [
        {"Name": queue.name, "Properties": queue.properties.model_dump(mode="json", by_alias=True)} for queue in QUEUES
    ]
    path = tmp_path / "Config.json"
    path.write_text(json.dumps({"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": queues}]}}))
    return path
