"""Copies of portfolios in Redis: `portfolio:{user}:{sequence}:{date}`, MessagePack, gone after minutes."""

import asyncio
import random
from typing import Any, Final

import msgspec
import structlog
from redis.asyncio import Redis

from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker
from shared.ports.portfolios import PortfolioKey, PortfolioRecord

_KEEP_S: Final = 300
_JITTER_S: Final = 60
"""Copies that were made together, at the open, do not leave together."""
_decoder: Final = msgspec.msgpack.Decoder(PortfolioRecord)
_encode: Final = msgspec.msgpack.Encoder().encode
_log = structlog.get_logger(__name__)


class RedisPortfolioCache:
    """`PortfolioCache` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._breaker = Breaker()

    async def get(self, key: PortfolioKey) -> PortfolioRecord | None:
        """See `PortfolioCache.get`."""
        if self._breaker.is_open:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                packed: Any = await self._redis.get(_name(key))
        except AWAY as error:
            self._without(error)
            return None
        try:
            return None if packed is None else _decoder.decode(packed)
        except msgspec.DecodeError:
            return None  # another version of the app wrote it

    async def put(self, key: PortfolioKey, record: PortfolioRecord) -> None:
        """See `PortfolioCache.put`."""
        if self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._redis.set(_name(key), _encode(record), ex=_KEEP_S + random.randrange(_JITTER_S))  # noqa: S311
        except AWAY as error:
            self._without(error)

    def _without(self, error: BaseException) -> None:
        self._breaker.trip()
        _log.warning("Redis is unavailable; portfolios are read from the database", reason=type(error).__name__)


def _name(key: PortfolioKey) -> str:
    return f"portfolio:{{{key.user_id}}}:{key.sequence}:{key.trade_date}"
