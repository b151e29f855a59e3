"""Service Bus by the app's identity: AMQP over TLS, opened with access tokens that the namespace verifies."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from azure.servicebus._pyamqp.aio import _connection_async
from azure.servicebus.aio import ServiceBusClient

from emulators.messaging.cbs import Claim, TokenError
from emulators.messaging.entities import QueueConfig, QueueProperties
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.processes.postgres import PostgresServer
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.service_bus.connection import BusConnection
from shared.adapters.service_bus.exchange import QUEUE, ServiceBusExchange
from shared.adapters.service_bus.ping import ServiceBusPing
from shared.domain.errors import UnavailableError
from shared.ports.outbox import ExchangeMessage
from tests.support.managed_identity import IdentityEndpoint
from tests.support.waiting import eventually

AUDIENCE = "https://servicebus.azure.net"
QUEUES = [
    QueueConfig(name=QUEUE, properties=QueueProperties(requires_session=True, requires_duplicate_detection=True)),
    QueueConfig(name="execution-reports"),
]


@dataclass(frozen=True, slots=True)
class LocalNamespace(BusConnection):
    """A namespace on this machine: the SDK would look for it in Azure, and trust the system's authorities."""

    certificate: str = ""

    def client(self) -> ServiceBusClient:
        return ServiceBusClient(
            "127.0.0.1", self.identity.credential, connection_verify=self.certificate, retry_total=0
        )


@pytest.fixture
async def server(
    postgres_server: PostgresServer, endpoint: IdentityEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MessagingServer]:
    def access_token(token: str) -> Claim:
        if not endpoint.authority.accepts(token, AUDIENCE):
            raise TokenError("InvalidToken: the access token is not valid.")
        return Claim("", float(jwt.decode(token, options={"verify_signature": False})["exp"]))

    settings = ServerSettings(certificate=tmp_path / "namespace.pem", access_token=access_token)
    dsn = postgres_server.create_database(f"bus_{uuid4().hex}")
    async with MessagingServer.start(dsn, QUEUES, settings=settings) as running:
        monkeypatch.setattr(_connection_async, "SECURE_PORT", running.port)  # the SDK knows no other
        yield running


def namespace(server: MessagingServer, identity: ManagedIdentity) -> BusConnection:
    return LocalNamespace(namespace="127.0.0.1", identity=identity, certificate=str(server.settings.certificate))


async def test_requests_reach_the_queue_by_an_access_token(
    server: MessagingServer, identity: ManagedIdentity, endpoint: IdentityEndpoint
) -> None:
    bus = namespace(server, identity)
    exchange, ping = ServiceBusExchange(bus), ServiceBusPing(bus, "execution-reports")
    await exchange.send([ExchangeMessage(uuid4(), "07", "{}")])
    await ping()
    async with bus.client() as client, client.get_queue_receiver(QUEUE, session_id="07") as receiver:
        [message] = await receiver.receive_messages(max_wait_time=5)
        assert b"".join(message.body) == b"{}"
    assert endpoint.authority.accepted >= 3
    await exchange.close()


async def test_refused_token_is_unavailable_until_accepted(
    server: MessagingServer, identity: ManagedIdentity, endpoint: IdentityEndpoint
) -> None:
    exchange = ServiceBusExchange(namespace(server, identity))
    message = ExchangeMessage(uuid4(), "07", "{}")
    endpoint.authority.ahead_s = 7200
    with pytest.raises(UnavailableError):
        await exchange.send([message])
    assert "expired" in endpoint.authority.refused

    endpoint.authority.ahead_s = 0
    endpoint.rotate()

    async def sends() -> bool:
        try:
            await exchange.send([message])
        except UnavailableError:
            return False
        return True

    await eventually(sends, timeout_s=30)
    await exchange.close()
