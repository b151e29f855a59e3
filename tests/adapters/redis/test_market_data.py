"""What ingest stores in Redis, as readers find it; and both while Redis is away."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.client import connect
from shared.adapters.redis.market_shards import RedisMarketShards
from shared.adapters.redis.quotes import RedisLiveCandles, RedisMarketWakeups, RedisQuotes
from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import Changes, ShardBook
from shared.domain.market_data.quotes import SessionPhase
from shared.domain.market_data.shards import ShardMap, ShardState
from tests.contract.test_market_shards import INFY, TCS, trading
from tests.support.tape import OPEN
from tests.support.valkey import running_valkey

SHARD = f"s{uuid4().hex}"
SHARDS = ShardMap([(SHARD, INFY), (SHARD, TCS)])


def heartbeat(sent_at: int = OPEN, phase: SessionPhase = SessionPhase.CONTINUOUS) -> ShardState:
    return ShardState(SHARD, 1, "2026-11-23", phase, sent_at, sent_at)


async def store(redis: Redis, book: ShardBook) -> None:
    assert await RedisMarketShards(redis, SHARDS).commit([book]) == [True]
    book.changes = Changes()


@pytest.fixture
async def book(redis: Redis) -> ShardBook:
    await redis.flushdb()
    return ShardBook(SHARD)


async def test_readers_find_what_ingest_has_stored(redis: Redis, book: ShardBook) -> None:
    book.beat(heartbeat(), {}, OPEN)
    await store(redis, trading(trading(book, 1), 2))
    quotes = RedisQuotes(redis, SHARDS)
    assert await quotes.quotes([TCS, INFY, "NSE:UNKNOWN"]) == {INFY: book.quotes[INFY]}
    assert await quotes.shards([SHARD, "s9"]) == {SHARD: book.state}
    recent = await RedisLiveCandles(redis, SHARDS).recent(INFY)
    assert list(recent.candles) == list(book.candles[INFY].values())
    assert recent.incomplete_from is None


async def test_gap_shows_in_recent_candles(redis: Redis, book: ShardBook) -> None:
    await store(redis, trading(trading(book, 1), 3))
    recent = await RedisLiveCandles(redis, SHARDS).recent(INFY)
    assert recent.incomplete_from == book.progress[INFY].incomplete_from is not None
    assert not recent.candles[-1].is_complete


async def test_watchers_wake_for_quotes_and_phases_but_not_for_heartbeats(redis: Redis, book: ShardBook) -> None:
    wakeups = RedisMarketWakeups(redis)
    async with wakeups.watch([SHARD, "s9"]) as changes:
        async with asyncio.timeout(5):
            sequence = 1
            # A subscription takes a moment, and a hint may be lost.
            while not (woken := await changes.next(0.05)):
                await store(redis, trading(book, sequence))
                sequence += 1
        assert woken == {SHARD}
        book.beat(heartbeat(), {}, OPEN)
        await store(redis, book)
        assert await changes.next(5) == {SHARD}
        book.beat(heartbeat(OPEN + 1), {}, OPEN)
        await store(redis, book)
        assert await changes.next(0.1) == frozenset()
        book.beat(heartbeat(OPEN + 2, SessionPhase.CLOSED), {}, OPEN)
        await store(redis, book)
        assert await changes.next(5) == {SHARD}
    await wakeups.close()


async def test_one_caller_reports_each_silence(redis: Redis, book: ShardBook) -> None:
    readers = [RedisQuotes(redis, SHARDS) for _ in range(5)]
    for silence in (heartbeat(), heartbeat(OPEN + 1)):
        first = await asyncio.gather(*(each.first_to_notice(silence) for each in readers for _ in range(4)))
        assert sum(first) == 1


async def test_last_known_quotes_are_answered_while_redis_is_away(
    tmp_path: Path, book: ShardBook, quiet_log: None
) -> None:
    with running_valkey(tmp_path) as url:
        redis = connect(url)
        book.beat(heartbeat(), {}, OPEN)
        await store(redis, trading(book, 1))
        quotes = RedisQuotes(redis, SHARDS)
        await quotes.quotes([INFY])
        await quotes.shards([SHARD])
    assert await quotes.quotes([INFY, TCS]) == {INFY: book.quotes[INFY]}
    assert (await quotes.shards([SHARD]))[SHARD].is_stale(OPEN / 1_000_000 + 3.1)
    assert not await quotes.first_to_notice(heartbeat())
    with pytest.raises(UnavailableError):
        await RedisLiveCandles(redis, SHARDS).recent(INFY)
    with pytest.raises(UnavailableError):
        await RedisMarketShards(redis, SHARDS).commit([trading(book, 2)])
    await redis.aclose()
