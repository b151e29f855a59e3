"""Reading market data from Redis, and from this process's memory while Redis is unavailable."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from shared.adapters.redis.channels import Channels, Watch
from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker, Client
from shared.adapters.redis.market_layout import (
    candles_key,
    channel,
    heartbeat_key,
    mute_key,
    progress_key,
    quotes_key,
    unpack_candle,
    unpack_progress,
    unpack_quote,
    unpack_state,
)
from shared.domain.errors import UnavailableError
from shared.domain.market_data.candles import newest
from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardMap, ShardState
from shared.ports.candles import RecentCandles

_PATIENCE_S: Final = 1.0
_QUOTES_PATIENCE_S: Final = 0.25
"""Thousands of quotes may be asked for at once."""
_REMEMBER_SILENCE_S: Final = 86_400
_log = structlog.get_logger(__name__)


class RedisQuotes:
    """`Quotes` on Redis."""

    def __init__(self, redis: Client, shards: ShardMap) -> None:
        self._redis = redis
        self._shards = shards
        self._breaker = Breaker()
        self._packed: dict[str, bytes] = {}
        self._known: dict[str, Quote] = {}
        self._known_states: dict[str, ShardState] = {}

    async def quotes(self, instrument_ids: Collection[str]) -> Mapping[str, Quote]:
        """See `Quotes.quotes`: one HMGET a shard, all in one round trip."""
        groups = self._shards.by_shard(instrument_ids)
        pipeline = self._redis.pipeline(transaction=False)
        for shard, members in groups.items():
            pipeline.hmget(quotes_key(shard), members)
        answers = await self._answers(pipeline, _QUOTES_PATIENCE_S)
        for members, packed in zip(groups.values(), answers, strict=False):
            for instrument_id, each in zip(members, packed, strict=True):
                if each is not None and each != self._packed.get(instrument_id):
                    # Most quotes have not changed since the last reading.
                    self._packed[instrument_id] = each
                    self._known[instrument_id] = unpack_quote(each)
        return {each: self._known[each] for each in instrument_ids if each in self._known}

    async def shards(self, shards: Collection[str]) -> Mapping[str, ShardState]:
        """See `Quotes.shards`."""
        pipeline = self._redis.pipeline(transaction=False)
        for shard in shards:
            pipeline.get(heartbeat_key(shard))
        for shard, packed in zip(shards, await self._answers(pipeline), strict=False):
            if packed is not None:
                self._known_states[shard] = unpack_state(packed)
        return {each: self._known_states[each] for each in shards if each in self._known_states}

    async def first_to_notice(self, mute: ShardState) -> bool:
        """See `Quotes.first_to_notice`."""
        pipeline = self._redis.pipeline(transaction=False)
        silence = f"{mute.epoch}/{mute.sent_at}"
        pipeline.set(mute_key(mute.shard), silence, ex=_REMEMBER_SILENCE_S, get=True)
        answers = await self._answers(pipeline, _PATIENCE_S)
        return bool(answers) and answers[0] != silence.encode()

    async def _answers(self, pipeline: Any, patience_s: float = PATIENCE_S) -> list[Any]:
        """The pipeline's answers; none while Redis is unavailable."""
        if not len(pipeline) or self._breaker.is_open:
            return []
        try:
            async with asyncio.timeout(patience_s):
                return list(await pipeline.execute())
        except AWAY as error:
            self._breaker.trip()
            _log.warning("Redis is unavailable; the last known quotes are answered", reason=type(error).__name__)
            return []


class RedisLiveCandles:
    """`LiveCandles` on Redis."""

    def __init__(self, redis: Client, shards: ShardMap) -> None:
        self._redis = redis
        self._shards = shards

    async def recent(self, instrument_id: str) -> RecentCandles:
        """See `LiveCandles.recent`."""
        shard = self._shards.shard_of(instrument_id)
        if shard is None:
            return RecentCandles()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hvals(candles_key(shard, instrument_id))
        pipeline.hget(progress_key(shard), instrument_id)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                held, progress = await pipeline.execute()
        except AWAY as error:
            raise UnavailableError("Candles of the running hours cannot be read now", retry_after_s=1) from error
        candles = [unpack_candle(each) for each in held]
        return RecentCandles(newest(candles), unpack_progress(progress).incomplete_from if progress else None)


class _ShardChanges:
    """`ShardChanges` of one watcher."""

    def __init__(self, watch: Watch, shard_of: Mapping[str, str]) -> None:
        self._watch = watch
        self._shard_of = shard_of

    async def next(self, timeout_s: float) -> frozenset[str]:
        """See `ShardChanges.next`."""
        return frozenset(self._shard_of[each] for each in await self._watch.next(timeout_s))


class RedisMarketWakeups:
    """`MarketWakeups` on Redis: one channel a shard."""

    def __init__(self, redis: Client) -> None:
        self._channels = Channels(redis, "requests that wait for quotes poll")

    @asynccontextmanager
    async def watch(self, shards: Collection[str]) -> AsyncIterator[_ShardChanges]:
        """See `MarketWakeups.watch`."""
        shard_of = {channel(shard): shard for shard in shards}
        async with self._channels.watch(shard_of) as watch:
            yield _ShardChanges(watch, shard_of)

    async def close(self) -> None:
        """Stop listening."""
        await self._channels.close()
