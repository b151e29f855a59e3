"""Connections to Redis, and what to do while there are none."""

import asyncio
import time
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from shared.adapters.azure_identity import ManagedIdentity
from shared.domain.errors import UnavailableError

type Client = Redis | RedisCluster

SCOPE: Final = "https://redis.azure.com/.default"
_OPEN_S: Final = 10.0
PATIENCE_S: Final = 0.05
"""The longest that a call waits for Redis before it goes on without."""
AWAY: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
_log = structlog.get_logger(__name__)


class _AccessToken(CredentialProvider):
    """The identity's token as the password of each new connection, its object id as the user.

    The server ends a connection with the token it was opened with; the next call opens another with a newer one.
    """

    def __init__(self, identity: ManagedIdentity) -> None:
        self._identity = identity

    async def get_credentials_async(self) -> tuple[str, str]:
        """(user, password). Raises redis' ConnectionError without a token, as for a server that is away."""
        try:
            token = await self._identity.token(SCOPE)
        except UnavailableError as error:
            raise RedisConnectionError(str(error)) from error
        # Redis checks the token; here it is only asked whose it is.
        return str(jwt.decode(token, options={"verify_signature": False})["oid"]), token


def connect(url: str, *, cluster: bool = False, identity: ManagedIdentity | None = None) -> Client:
    """A client with connections of its own; connects on first use. One immediate retry covers a connection gone stale.

    With `identity`, a `rediss://` URL without a password connects with its access tokens. Without health checks: a
    pub/sub connection would read its pong while the listener is reading.
    """
    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 1),
        "socket_connect_timeout": 1.0,
        "health_check_interval": 0,
        "max_connections": 32,
    }
    address = urlsplit(url)
    if identity is not None and address.scheme == "rediss" and not address.password:
        options["credential_provider"] = _AccessToken(identity)
    return RedisCluster.from_url(url, **options) if cluster else Redis.from_url(url, **options)


async def open_early(client: Client) -> None:
    """Fetch the first token and open the first connections, which take longer than a call waits. Never raises."""
    try:
        async with asyncio.timeout(_OPEN_S):
            await client.initialize()
            await client.ping()
    except AWAY as error:
        _log.warning("Redis could not be reached early", reason=type(error).__name__)


class Breaker:
    """Spares every caller the wait while Redis is unavailable: after a failure no call is made for `rest_s`."""

    def __init__(self, rest_s: float = 1.0) -> None:
        self._rest_s = rest_s
        self._rests_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether to go without Redis at once."""
        return time.monotonic() < self._rests_until

    def trip(self) -> None:
        """Redis did not answer."""
        self._rests_until = time.monotonic() + self._rest_s
