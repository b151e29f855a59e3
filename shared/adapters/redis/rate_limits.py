"""Calls counted exactly over a sliding window, by `limits`: in Redis, and in this process while Redis is unavailable.

While Redis is unavailable a user's limit holds per process instead of over all of them: orders are still accepted.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.storage.redis.bridge import RedisBridge
from limits.aio.strategies import MovingWindowRateLimiter

from shared.adapters.redis.client import AWAY, Breaker, Client
from shared.adapters.redis.scripts import Call, Script, run_scripts
from shared.batching import Batcher
from shared.ports.rate_limits import WINDOW_S, Count

_MOST_AT_ONCE = 100
_PATIENCE_S = 0.25
_PREFIX: Final = "rate:"
_TAKE: Final = Script(RedisBridge.SCRIPT_ACQUIRE_MOVING_WINDOW.decode())
_LOOK: Final = Script(RedisBridge.SCRIPT_MOVING_WINDOW.decode())
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

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._here = LocalRequestCounter()
        self._breaker = Breaker()
        self._batches: Batcher[_Call, Count | None] = Batcher(self._count_there, most=_MOST_AT_ONCE)

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
        scripts = []
        for key, limit in calls:
            keys = [f"{_PREFIX}{_per_minute(limit).key_for(key)}"]
            scripts += [
                Call(_TAKE, keys, [now, limit, WINDOW_S, 1]),
                Call(_LOOK, keys, [now - WINDOW_S, limit]),
            ]
        answers = await run_scripts(self._redis, scripts)
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
