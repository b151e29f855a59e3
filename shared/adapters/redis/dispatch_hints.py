"""Dispatch hints over Redis' publish and subscribe, on one channel."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker, Client

_CHANNEL: Final = "orders-wait"
_RECONNECT_S: Final = 0.5
_log = structlog.get_logger(__name__)


class RedisDispatchHints:
    """`DispatchHints` on Redis. A cluster's node knows its own listeners alone, so there some hints reach more than is
    said, and the orders are dispatched twice as eagerly."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._breaker = Breaker()
        self._wake: Callable[[], None] = lambda: None
        self._listener: asyncio.Task[None] | None = None

    async def orders_wait(self) -> bool:
        """See `DispatchHints.orders_wait`."""
        if self._breaker.is_open:
            return False
        try:
            async with asyncio.timeout(PATIENCE_S):
                return bool(await self._redis.publish(_CHANNEL, b""))
        except AWAY:
            self._breaker.trip()
            return False

    def listen(self, wake: Callable[[], None]) -> None:
        """See `DispatchHints.listen`."""
        self._wake = wake
        if self._listener is not None and self._listener.done():
            _log.error("listening for dispatch hints had ended", exc_info=self._listener.exception())
            self._listener = None
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                await self._receive()
            except AWAY as error:
                _log.warning("Redis is unavailable; those who place orders dispatch them", reason=type(error).__name__)
                await asyncio.sleep(_RECONNECT_S)

    async def _receive(self) -> None:
        await self._redis.initialize()  # a cluster's node is chosen by a map that it fetches first
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(_CHANNEL)
            self._wake()
            while True:
                if await pubsub.get_message(timeout=None) is not None:
                    self._wake()
