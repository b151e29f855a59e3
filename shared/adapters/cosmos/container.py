"""One container of an account, connected to when it is first used: nobody's start waits for Cosmos DB.

Every call has a bounded wait, and after a failure none is made for a while, so that the service's absence costs callers
next to nothing. Connecting may take longer than a caller waits; it goes on, and later callers find it done. The SDK is
imported then, in a thread: few processes need it, and it costs as much as a start of them. A closed port is noticed
before.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.redis.client import Breaker
from shared.domain.errors import UnavailableError

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy, CosmosClient

_WAIT_S: Final = 1.5
_CONNECT_S: Final = 10.0
_REST_S: Final = 5.0
_PORT: Final = 443
_OPTIONS: Final[dict[str, Any]] = {
    "connection_timeout": 1,
    "read_timeout": 2,
    "retry_total": 1,
    "retry_throttle_total": 2,
}


@dataclass(frozen=True, slots=True)
class CosmosAddress:
    """A database of an account. Without `key` the app's managed identity opens it; `region` is the nearest one."""

    endpoint: str
    key: str | None
    database: str
    region: str | None
    identity: ManagedIdentity

    @classmethod
    def parsed(
        cls, connection: str | None, endpoint: str | None, database: str, region: str | None, identity: ManagedIdentity
    ) -> "CosmosAddress | None":
        """From `AccountEndpoint=...;AccountKey=...;`, or from the endpoint alone; None without both.

        Raises ValueError for a connection string that is incomplete.
        """
        if connection:
            parts = {
                name.strip().lower(): value.strip()
                for name, _, value in (part.partition("=") for part in connection.split(";") if part.strip())
            }
            found, key = parts.get("accountendpoint"), parts.get("accountkey")
            if not found or not key:
                raise ValueError("COSMOS_CONNECTION must be a connection string with AccountEndpoint and AccountKey")
            return cls(found, key, database, region, identity)
        return cls(endpoint, None, database, region, identity) if endpoint else None

    async def check_port(self) -> None:
        """Raises OSError when nothing listens at the endpoint."""
        url = urlsplit(self.endpoint)
        _, writer = await asyncio.open_connection(url.hostname, url.port or _PORT)
        writer.close()

    def client(self) -> "CosmosClient":
        """A new client; the caller opens and closes it."""
        from azure.cosmos.aio import CosmosClient  # noqa: PLC0415 - see above

        options = dict(_OPTIONS)
        if self.region is not None:
            options |= {"preferred_locations": [self.region], "multiple_write_locations": True}
        return CosmosClient(self.endpoint, self.key or self.identity.credential, **options)


class StatusError(Exception):
    """The service answered a call with one of the statuses that its caller has asked for."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Cosmos DB answered {status}")
        self.status = status


class CosmosContainer:
    """The connection, and what its calls have in common."""

    def __init__(self, address: CosmosAddress, name: str, *, rest_s: float = _REST_S) -> None:
        self._address = address
        self._name = name
        self._client: CosmosClient | None = None
        self._container: ContainerProxy | None = None
        self._connecting: asyncio.Task[ContainerProxy] | None = None
        self._breaker = Breaker(rest_s)

    async def call[T](
        self,
        work: "Callable[[ContainerProxy], Awaitable[T]]",
        *,
        answers: Collection[int] = (),
        wait_s: float = _WAIT_S,
    ) -> T:
        """Its result. Raises StatusError for a status among `answers`, UnavailableError for any other failure."""
        if self._breaker.is_open:
            raise _away()
        try:
            async with asyncio.timeout(wait_s):
                return await work(self._container or await self._connected())
        except (AzureError, OSError, TimeoutError) as error:
            status: int | None = getattr(error, "status_code", None)
            # With a sub-status it is the container or the database that was not found.
            if status is not None and status in answers and not getattr(error, "sub_status", None):
                raise StatusError(status) from error
            self._breaker.trip()
            raise _away(status) from error

    async def ping(self) -> None:
        """Read the container's properties. Raises UnavailableError."""
        await self.call(lambda container: container.read())

    async def close(self) -> None:
        """Close the connections."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        client, self._client, self._container = self._client, None, None
        if client is not None:
            await client.close()

    async def _connected(self) -> "ContainerProxy":
        """Raises AzureError, OSError, TimeoutError."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name="cosmos-connect")
            # Whoever waited for it may be gone when it fails; the next caller connects anew.
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> "ContainerProxy":
        """Raises AzureError, OSError, TimeoutError; what was opened half is closed."""
        async with asyncio.timeout(_CONNECT_S):
            await self._address.check_port()
            await asyncio.to_thread(importlib.import_module, "azure.cosmos.aio")
            client = self._address.client()
            try:
                await client.__aenter__()
                container = client.get_database_client(self._address.database).get_container_client(self._name)
                # A container that is missing must not look like one without items.
                await container.read()
            except BaseException:
                await client.close()
                raise
            self._client, self._container = client, container
            return container


def _away(status: int | None = None) -> UnavailableError:
    detail = "" if status is None else f" ({status})"
    return UnavailableError(f"Cosmos DB does not answer{detail}: try again later", retry_after_s=1)
