"""Connections to Redis, and what to do while there are none."""

import time
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

PATIENCE_S: Final = 0.05
"""The longest that a call waits for Redis before it goes on without."""
AWAY: Final = (RedisError, OSError, TimeoutError)


def connect(url: str) -> Redis:
    """A client with a pool of its own; connects on first use. One immediate retry covers a connection gone stale.

    Without health checks: a pub/sub connection would read its pong while the listener is reading.
    """
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 1),
        socket_connect_timeout=1.0,
        health_check_interval=0,
        max_connections=32,
    )


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
