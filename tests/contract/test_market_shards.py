"""`MarketShards`: a shard's changes are stored whole, once, and only on what they were made of."""

import asyncio
from datetime import date
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.market_shards import RedisMarketShards
from shared.domain.market_data.book import Changes, ShardBook
from shared.domain.market_data.candles import MINUTE_US, Basis, Candle, Session, Traded
from shared.domain.market_data.quotes import Level, Quote, SessionPhase
from shared.domain.market_data.shards import ShardMap, ShardState
from shared.ports.market_shards import MarketShards
from tests.fakes.market_data import MemoryMarketShards
from tests.support.tape import OPEN

INFY, TCS = "NSE:INFY", "NSE:TCS"
SHARD = f"s{uuid4().hex}"


@pytest.fixture
async def memory_shards() -> MarketShards:
    return MemoryMarketShards()


@pytest.fixture
async def redis_shards(redis: Redis) -> MarketShards:
    return RedisMarketShards(redis, ShardMap([(SHARD, INFY), (SHARD, TCS)]))


@pytest.fixture(params=["memory", "redis"])
def shards(request: pytest.FixtureRequest) -> MarketShards:
    return request.getfixturevalue(f"{request.param}_shards")


@pytest.fixture(autouse=True)
async def empty(redis: Redis) -> None:
    await redis.flushdb()


def a_quote(instrument_id: str, sequence: int, volume: int, at: int = OPEN) -> Quote:
    bids = (Level(99_95, 10, 1), Level(99_90, 5, 2))
    return Quote(
        *(instrument_id, 1, sequence, date(2026, 11, 23), at, SessionPhase.CONTINUOUS, 100_00, 5, at, volume),
        *(volume * 100_00, 100_00, 100_00, 100_00, None, 90_00, 110_00, bids, (), 10, 0),
    )


def trading(book: ShardBook, sequence: int, instrument_id: str = INFY) -> ShardBook:
    """The book after one more window of five units."""
    at = OPEN + sequence * MINUTE_US
    traded = Traded(at, 1, 100_00, 100_00, 100_00, 100_00, 5, 500_00)
    book.take(a_quote(instrument_id, sequence, sequence * 5, at), sequence, traded, OPEN)
    return book


async def stored(shards: MarketShards) -> ShardBook:
    return (await shards.load([SHARD]))[SHARD]


async def test_book_is_loaded_as_it_was_stored(shards: MarketShards) -> None:
    book = trading(trading(await stored(shards), 1), 7, TCS)
    book.beat(ShardState(SHARD, 1, "2026-11-23", SessionPhase.CONTINUOUS, OPEN, 5), {INFY: 3}, OPEN)
    assert await shards.commit([book]) == [True]
    found = await stored(shards)
    assert found.progress[INFY].gap is not None
    assert (found.quotes, found.progress, found.state) == (book.quotes, book.progress, book.state)
    assert {each: candles for each, candles in found.candles.items() if candles} == book.candles


async def test_book_may_be_changed_and_stored_again(shards: MarketShards) -> None:
    book = await stored(shards)
    for sequence in range(1, 4):
        assert await shards.commit([trading(book, sequence)]) == [True]
        book.changes = Changes()
    assert sum(each.volume for each in (await stored(shards)).candles[INFY].values()) == 15


async def test_second_writer_of_the_same_state_stores_nothing(shards: MarketShards) -> None:
    first, second = await stored(shards), await stored(shards)
    assert await shards.commit([trading(first, 1)]) == [True]
    assert await shards.commit([trading(second, 1, TCS)]) == [False]
    assert set((await stored(shards)).quotes) == {INFY}


async def test_one_of_many_writers_at_once_wins(shards: MarketShards) -> None:
    books = [await stored(shards) for _ in range(20)]
    outcomes = await asyncio.gather(*(shards.commit([trading(book, 1)]) for book in books))
    assert sorted(outcomes) == [[False]] * 19 + [[True]]


async def test_candle_that_history_has_is_taken_out(shards: MarketShards) -> None:
    book = trading(trading(await stored(shards), 1), 2)
    await shards.commit([book])
    book.changes = Changes()
    done = next(each for each in book.candles[INFY].values() if each.start == OPEN + MINUTE_US)
    book.forget(INFY, [done])
    assert await shards.commit([book]) == [True]
    assert [each.start for each in (await stored(shards)).candles[INFY].values()] == [OPEN + 2 * MINUTE_US]


async def test_thousands_of_candles_are_stored_at_once(shards: MarketShards) -> None:
    book = trading(await stored(shards), 1)
    for minute in range(5_000):
        start = OPEN + minute * MINUTE_US
        candle = Candle(start, Session.CONTINUOUS, 1, 1, 1, 1, 1, 1, 1, 1, 1, Basis.RESEND)
        book.replace(INFY, start, [candle])
    assert await shards.commit([book]) == [True]
    assert len((await stored(shards)).candles[INFY]) == 5_000
