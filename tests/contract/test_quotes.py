"""`Quotes` and `MarketWakeups`: what ingest writes is read, and whoever watches is woken by it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.client import connect
from shared.adapters.redis.market_layout import channel, heartbeat_key, mute_key, pack, quotes_key
from shared.adapters.redis.quotes import RedisMarketWakeups, RedisQuotes
from shared.domain.market_data.quotes import Quote
from tests.fakes.quotes import SHARDS, MemoryQuotes, a_quote, a_state
from tests.support.waiting import eventually


@dataclass
class Side:
    """The ports, and what ingest does."""

    quotes: Any
    wakeups: Any
    write: Callable[[Quote], Awaitable[None]]
    forget: Callable[[], Awaitable[None]]


@pytest.fixture
async def memory_side() -> Side:
    store = MemoryQuotes()

    async def write(quote: Quote) -> None:
        store.write(quote)

    async def forget() -> None:
        """What the fake has is what a process knows."""

    return Side(store, store, write, forget)


async def forget(redis: Redis) -> None:
    await redis.delete(*(key(shard) for key in (quotes_key, heartbeat_key, mute_key) for shard in SHARDS.shards))


@pytest.fixture
async def redis_side(redis: Redis) -> AsyncIterator[Side]:
    await forget(redis)
    wakeups = RedisMarketWakeups(redis)

    async def write(quote: Quote) -> None:
        shard = SHARDS.shard_of(quote.instrument_id) or ""
        await redis.hset(quotes_key(shard), quote.instrument_id, pack(quote))  # type: ignore[arg-type]
        await redis.set(heartbeat_key(shard), pack(a_state(shard)))
        await redis.publish(channel(shard), b"")

    yield Side(RedisQuotes(redis, SHARDS), wakeups, write, lambda: forget(redis))
    await wakeups.close()


@pytest.fixture(params=["memory", "redis"])
def side(request: pytest.FixtureRequest) -> Side:
    made: Side = request.getfixturevalue(f"{request.param}_side")
    return made


async def test_written_quotes_and_heartbeats_are_read(side: Side) -> None:
    await side.write(a_quote("NSE:INFY"))
    await side.write(a_quote("NSE:M&M", sequence=4, last_price=None))
    found = await side.quotes.quotes(["NSE:M&M", "NSE:INFY", "NSE:TCS", "NSE:NOTHING"])
    assert found == {"NSE:M&M": a_quote("NSE:M&M", sequence=4, last_price=None), "NSE:INFY": a_quote("NSE:INFY")}
    states = await side.quotes.shards(["s000", "s001", "s002"])
    assert states.keys() == {"s000", "s001"}
    assert not states["s000"].is_stale(time.time())


async def test_lost_store_leaves_the_last_known_quotes(side: Side) -> None:
    await side.write(a_quote("NSE:INFY", sequence=9))
    await side.quotes.quotes(["NSE:INFY"])
    await side.quotes.shards(["s000"])
    await side.forget()
    assert (await side.quotes.quotes(["NSE:INFY"]))["NSE:INFY"].sequence == 9
    assert "s000" in await side.quotes.shards(["s000"])


async def test_silence_is_noticed_first_by_one_caller(side: Side) -> None:
    silent = a_state(age_s=10)
    assert [await side.quotes.first_to_notice(silent) for _ in range(3)] == [True, False, False]
    again = a_state(age_s=5, sent_at=silent.sent_at + 1)
    assert [await side.quotes.first_to_notice(again) for _ in range(2)] == [True, False]


async def test_change_after_the_watch_began_is_never_missed(side: Side) -> None:
    for sequence in range(1, 30):
        async with side.wakeups.watch(["s000", "s001"]) as changes:
            await side.write(a_quote(sequence=sequence))
            assert await changes.next(5) == {"s000"}


async def test_watchers_are_woken_by_their_shards_alone(side: Side) -> None:
    async with side.wakeups.watch(["s000"]) as first, side.wakeups.watch(["s001"]) as second:
        await side.write(a_quote("NSE:INFY"))
        assert await first.next(5) == {"s000"}
        assert await second.next(0.05) == frozenset()
        await side.write(a_quote("NSE:ITC"))
        await side.write(a_quote("NSE:TCS"))
        assert await second.next(5) == {"s001"}
        assert await first.next(5) == {"s000"}


async def test_cut_connection_wakes_and_is_subscribed_again(redis_side: Side, redis: Redis) -> None:
    async with redis_side.wakeups.watch(["s000"]) as changes:
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await changes.next(5) == {"s000"}, "what was published meanwhile is lost"

        async def woken() -> bool:
            await redis_side.write(a_quote())
            return bool(await changes.next(0.02))

        await eventually(woken)


async def test_shard_is_subscribed_once_redis_is_back(redis_side: Side, redis: Redis) -> None:
    breaker = redis_side.wakeups._channels._breaker
    breaker.trip()
    async with redis_side.wakeups.watch(["s000"]) as without:
        breaker._rests_until = 0.0
        async with redis_side.wakeups.watch(["s000"]) as changes:
            await redis_side.write(a_quote())
            assert await changes.next(5) == {"s000"}
            assert await without.next(5) == {"s000"}


async def test_shard_that_nobody_watches_is_not_subscribed(redis_side: Side, redis: Redis) -> None:
    async with redis_side.wakeups.watch(["s000"]):
        assert await redis.pubsub_numsub(channel("s000")) == [(channel("s000").encode(), 1)]

    async def left() -> bool:
        return bool(await redis.pubsub_numsub(channel("s000")) == [(channel("s000").encode(), 0)])

    await eventually(left)


async def test_without_redis_nothing_is_raised_and_nothing_known() -> None:
    client = connect("redis://127.0.0.1:9/0")
    quotes, wakeups = RedisQuotes(client, SHARDS), RedisMarketWakeups(client)
    started = time.monotonic()
    async with wakeups.watch(["s000"]) as changes:
        assert await changes.next(0.01) == frozenset()
    assert await quotes.quotes(["NSE:INFY"]) == {}
    assert await quotes.shards(["s000"]) == {}
    assert not await quotes.first_to_notice(a_state())
    assert time.monotonic() - started < 1
    await wakeups.close()
    await client.aclose()
