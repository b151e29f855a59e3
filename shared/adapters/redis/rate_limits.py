"""Calls counted exactly over a sliding window, by `limits`: in Redis, and in this process while Redis is unavailable.

While Redis is unavailable a user's limit holds per process instead of over all of them: orders are still accepted.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, cast

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from shared.adapters.redis.client import AWAY, Breaker
from shared.batching import Batcher
from shared.ports.rate_limits import WINDOW_S, Count

_MOST_AT_ONCE = 100
_PATIENCE_S = 0.25
_log = structlog.get_logger(__name__)


class _Call(NamedTuple):
    key: str
    limit: int


class WindowCounter:
    """`RequestCounter` on a storage of `limits`; raises what the storage raises."""

    def __init__(self, storage: Storage) -> None:
        self._limiter = MovingWindowRateLimiter(storage)

    async def count(self, key: str, limit: int) -> Count:
        """See `RequestCounter.count`."""
        item = _per_minute(limit)
        allowed = await self._limiter.hit(item, key)
        reset_at, remaining = await self._limiter.get_window_stats(item, key)
        return Count(allowed, max(0, remaining), max(0.0, reset_at - time.time()))


class LocalRequestCounter(WindowCounter):
    """`RequestCounter` in this process's memory."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage())


class RedisRequestCounter:
    """`RequestCounter` on Redis, on this process's memory while Redis is unavailable.

    Calls that wait in this process share one round trip: the library's own scripts, pipelined.
    """

    def __init__(self, redis: Redis) -> None:
        # The storage hands the pool on to redis-py as it is; its signature only names scalars.
        shared = {"connection_pool": redis.connection_pool}
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="rate", **shared)  # type: ignore[arg-type]
        assert isinstance(storage.bridge, RedispyBridge), "the implementation that was asked for"
        # The library says Script for what redis-py's asynchronous client registers.
        self._take = cast(AsyncScript, storage.bridge.lua_acquire_moving_window)
        self._look = cast(AsyncScript, storage.bridge.lua_moving_window)
        self._key_of = storage.bridge.prefixed_key
        self._redis = redis
        self._here = LocalRequestCounter()
        self._breaker = Breaker()
        self._batches: Batcher[_Call, Count | None] = Batcher(self._count_there, most=_MOST_AT_ONCE, at_once=1)

    async def count(self, key: str, limit: int) -> Count:
        """See `RequestCounter.count`."""
        counted = None if self._breaker.is_open else await self._batches.submit(_Call(key, limit))
        return counted or await self._here.count(key, limit)

    async def _count_there(self, calls: Sequence[_Call]) -> Sequence[Count | None]:
        """Counts of all calls, or None for each when Redis is unavailable."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._counts(calls)
        except AWAY as error:
            self._breaker.trip()
            _log.warning("Redis is unavailable; rate limits are counted per process", reason=type(error).__name__)
            return [None] * len(calls)

    async def _counts(self, calls: Sequence[_Call]) -> Sequence[Count]:
        now = time.time()
        pipeline = self._redis.pipeline(transaction=False)
        for key, limit in calls:
            item = _per_minute(limit)
            keys = [self._key_of(item.key_for(key))]
            await self._take(keys, [now, limit, WINDOW_S, 1], client=pipeline)
            await self._look(keys, [now - WINDOW_S, limit], client=pipeline)
        answers = await pipeline.execute()
        return [
            _count(allowed, window or (now, 0), call.limit, now)
            for call, allowed, window in zip(calls, answers[::2], answers[1::2], strict=True)
        ]


def _count(allowed: object, window: tuple[float | bytes, int], limit: int, now: float) -> Count:
    oldest, used = window
    return Count(bool(allowed), max(0, limit - used), max(0.0, float(oldest) + WINDOW_S - now))


@cache
def _per_minute(limit: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(limit)
