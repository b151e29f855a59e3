"""The messaging server as a whole, and its in-process API.

async with MessagingServer.start(dsn, entities, port=0) as server:
    client = ServiceBusClient.from_connection_string(server.connection_string)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import structlog

from emulators.messaging import admin, cbs, event_hub_management, management
from emulators.messaging.broker import Broker
from emulators.messaging.cbs import CbsNode, SharedKey, Verify, check_claim
from emulators.messaging.certificate import server_context
from emulators.messaging.connection import Connection
from emulators.messaging.entities import Entities, QueueConfig
from emulators.messaging.errors import AmqpError, Condition, StoreUnavailableError
from emulators.messaging.event_hub_management import HubManagementNode
from emulators.messaging.event_hub_node import EventHubNode
from emulators.messaging.limits import Limits
from emulators.messaging.management import ManagementNode
from emulators.messaging.nodes import Node, Peer
from emulators.messaging.queue_node import QueueNode
from emulators.messaging.store import Store

_log = structlog.get_logger(__name__)
DEFAULT_KEY_NAME = "RootManageSharedAccessKey"
DEFAULT_KEY = "SAS_KEY_VALUE"
_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server is bounded and reached. `admin_port` None: no HTTP; 0: any free port.

    `admin_certificate` names a PEM file with key and certificate, made when it is missing: the administration API is
    then HTTPS, which ServiceBusAdministrationClient always speaks, and the client trusts it by `connection_verify`.
    `certificate` does the same for AMQP. `access_token` verifies tokens of Entra ID beside those of the shared key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    admin_port: int | None = None
    admin_certificate: Path | None = None
    shared_key: SharedKey = field(default_factory=lambda: SharedKey(DEFAULT_KEY_NAME, DEFAULT_KEY))
    certificate: Path | None = None
    access_token: Verify | None = None
    limits: Limits = field(default_factory=Limits)
    cache_bytes: int = 64 << 20
    max_messages: int = 1_000_000


class _HangUp(asyncio.Protocol):
    """Takes no connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class MessagingServer:
    """Listens for AMQP connections and routes their links to nodes."""

    def __init__(self, broker: Broker, settings: ServerSettings) -> None:
        self.broker = broker
        self.settings = settings
        self.port = settings.port
        self.admin_port: int | None = None
        self._cbs = CbsNode(settings.shared_key, settings.access_token)
        self._hub_management = HubManagementNode(broker.event_hub)
        self._connections: dict[Connection, None] = {}
        self._server: asyncio.Server | None = None
        self._admin: admin.AdminServer | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        dsn: str,
        entities: Entities | Sequence[QueueConfig],
        port: int = 0,
        *,
        settings: ServerSettings | None = None,
    ) -> "AsyncIterator[MessagingServer]":
        """Serve `entities` on the database of `dsn` until the block ends. Raises StoreError, ConfigError, OSError."""
        served = entities if isinstance(entities, Entities) else Entities(entities)
        served.check()
        settings = settings or ServerSettings(port=port)
        store = Store(dsn)
        broker = Broker(store, served, cache_bytes=settings.cache_bytes, max_messages=settings.max_messages)
        server = cls(broker, settings)
        try:
            await store.open()
            await broker.open()
            await server._listen()
            yield server
        finally:
            broker.close()
            await server._stop()
            await store.close()

    @property
    def connection_string(self) -> str:
        """For any Service Bus SDK."""
        return self._connection_string(self.port)

    @property
    def admin_connection_string(self) -> str:
        """For ServiceBusAdministrationClient; the server must have been given an admin port."""
        assert self.admin_port is not None
        return self._connection_string(self.admin_port)

    def _connection_string(self, port: int) -> str:
        key = self.settings.shared_key
        return (
            f"Endpoint=sb://{self.settings.host}:{port};SharedAccessKeyName={key.name};SharedAccessKey={key.key};"
            "UseDevelopmentEmulator=true;"
        )

    async def wait_failed(self) -> None:
        """Return never; raise what ended the store when it cannot go on."""
        await asyncio.shield(self.broker.store.failed)

    # --- routing ----------------------------------------------------------------------------------------------------

    def node(self, address: str, peer: Peer) -> Node:
        """The node at `address`. Raises AmqpError (not-found, unauthorized-access)."""
        if address == cbs.ADDRESS:
            return self._cbs
        if address == event_hub_management.ADDRESS:
            return self._hub_management
        check_claim(peer, address)
        hub = self.broker.hub_at(address)
        if hub is not None:
            return EventHubNode(self.broker.store, *hub)
        if address.lower().endswith(management.SUFFIX):
            return ManagementNode(self.broker.store, *self.broker.find(address[: -len(management.SUFFIX)]))
        return QueueNode(self.broker.store, *self.broker.find(address))

    # --- life -------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        loop, pem = asyncio.get_running_loop(), self.settings.certificate
        tls = None if pem is None else server_context(pem, self.settings.host)
        host, port = self.settings.host, self.settings.port
        self._server = await loop.create_server(self._connect, host, port, backlog=512, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.settings.admin_port is not None:
            self._admin = admin.AdminServer(
                self.broker, self.settings.shared_key, idle_s=self.settings.limits.open_timeout_s
            )
            certificate = self.settings.admin_certificate
            tls = None if certificate is None else server_context(certificate, host)
            self.admin_port = await self._admin.listen(self.settings.host, self.settings.admin_port, tls)

    def _connect(self) -> asyncio.Protocol:
        """A connection beyond the limit is refused by name when it opens; the number of those is limited too."""
        limits = self.settings.limits
        refusal = None
        if len(self._connections) >= limits.max_connections and not self._make_room():
            refusal = AmqpError(Condition.RESOURCE_LIMIT, f"The server has {limits.max_connections} connections.")
        if len(self._connections) >= 2 * limits.max_connections:
            return _HangUp()
        connection = Connection(self, limits, self._forget, refusal)
        self._connections[connection] = None
        return connection

    def _make_room(self) -> bool:
        """Hang up on who has waited longest without proving a claim; false when all have proved one."""
        waiting = next((one for one in self._connections if not one.claims), None)
        if waiting is not None:
            self._forget(waiting)
            waiting.abort()
        return waiting is not None

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    async def _stop(self) -> None:
        """Stop listening, let what was received be committed and answered, then hang up."""
        if self._server is not None:
            self._server.close()
        if self._admin is not None:
            await self._admin.close()
        with suppress(TimeoutError, StoreUnavailableError):
            async with asyncio.timeout(_DRAIN_S):
                await self.broker.store.committed()
        for connection in list(self._connections):
            connection.close(AmqpError(Condition.CONNECTION_FORCED, "The server is shutting down."))
