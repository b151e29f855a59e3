"""Figures and dead letters of the bus, through the unmodified SDK."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus._pyamqp.aio._client_async import AMQPClientAsync
from azure.servicebus.aio import ServiceBusClient

from emulators.messaging.entities import QueueConfig, QueueProperties
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.processes.postgres import PostgresServer
from shared.adapters.service_bus.administration import ServiceBusInspector
from shared.adapters.service_bus.connection import BusConnection
from shared.domain.errors import UnavailableError

_QUEUES = ("exchange-requests", "execution-reports")


@dataclass(frozen=True)
class Bus:
    """A running emulator and the inspector that looks at it."""

    server: MessagingServer
    inspector: ServiceBusInspector


@pytest.fixture(autouse=True)
def no_waiting_for_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing an SDK handler waits up to a second for its idle ping loop."""

    async def no_pings(_client: AMQPClientAsync) -> None:
        return

    monkeypatch.setattr(AMQPClientAsync, "_keep_alive_async", no_pings)


@pytest.fixture
async def bus(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Bus]:
    certificate = tmp_path / "admin.pem"
    dsn = postgres_server.create_database(f"messaging_{uuid4().hex}")
    queues = [
        QueueConfig(name=_QUEUES[0], properties=QueueProperties(requires_session=True)),
        QueueConfig(name=_QUEUES[1]),
    ]
    settings = ServerSettings(admin_port=0, admin_certificate=certificate)
    async with MessagingServer.start(dsn, queues, settings=settings) as server:
        admin = BusConnection(server.admin_connection_string)
        where = BusConnection(server.connection_string)
        yield Bus(server, ServiceBusInspector(where, admin, _QUEUES, _QUEUES[1:], str(certificate)))


async def test_figures_count_active_and_dead_messages(bus: Bus) -> None:
    async with ServiceBusClient.from_connection_string(bus.server.connection_string) as client:
        async with client.get_queue_sender(_QUEUES[0]) as sender:
            await sender.send_messages(ServiceBusMessage("a", session_id="07"))
        async with client.get_queue_sender(_QUEUES[1]) as sender:
            await sender.send_messages([ServiceBusMessage("b", message_id="b"), ServiceBusMessage("c")])
        async with client.get_queue_receiver(_QUEUES[1]) as receiver:
            (message,) = await receiver.receive_messages(max_message_count=1)
            await receiver.dead_letter_message(message, reason="POISON", error_description="nobody can read it")
    requests, reports = await bus.inspector.figures()
    assert (requests.name, requests.active, requests.dead_lettered, requests.oldest_at) == (_QUEUES[0], 1, 0, None)
    assert (reports.active, reports.dead_lettered) == (1, 1)
    assert reports.oldest_at is not None
    (letter,) = await bus.inspector.dead_letters(10)
    assert (letter.queue, letter.message_id, letter.reason) == (_QUEUES[1], "b", "POISON")
    assert await bus.inspector.dead_letters(10) == [letter]


async def test_bus_that_is_away_is_unavailable() -> None:
    away = BusConnection(
        "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=k;SharedAccessKey=a2V5;UseDevelopmentEmulator=true;"
    )
    with pytest.raises(UnavailableError):
        await ServiceBusInspector(away, away, _QUEUES, _QUEUES[1:]).figures()
