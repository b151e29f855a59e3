"""Copies of portfolios: what was committed is never hidden by one, and readers share a load."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.portfolios import PostgresPortfolios
from shared.adapters.redis.client import connect
from shared.adapters.redis.portfolios import RedisPortfolioCache
from shared.application.notifications import StreamPositions
from shared.application.portfolio_cache import CachedPortfolios
from shared.ports.portfolios import PortfolioReader, PortfolioRecord
from tests.fakes.market import FixedMarket
from tests.fakes.portfolios import MemoryPortfolios
from tests.support.broker import Broker, fill
from tests.support.values import ALICE, BOB
from tests.support.waiting import eventually


class Counted:
    """`PortfolioReader` that counts, and reads slowly on demand."""

    def __init__(self, database: Database) -> None:
        self._reader = PostgresPortfolios(database)
        self.reads = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        self.reads += 1
        record = await self._reader.portfolio(user_id)
        await self.may_answer.wait()
        return record


def cached(database: Database, reader: PortfolioReader, cache: Any = None, market: Any = None) -> CachedPortfolios:
    positions = StreamPositions(PostgresStreams(database))
    return CachedPortfolios(reader, cache or MemoryPortfolios(), positions, market or FixedMarket())


async def bought(broker: Broker) -> None:
    _, [key] = await broker.submitted()
    await broker.receive(fill(key))


async def test_every_commit_shows_in_the_next_reading(broker: Broker, database: Database) -> None:
    direct, portfolios = PostgresPortfolios(database), cached(database, PostgresPortfolios(database))
    before = await portfolios.portfolio(ALICE)
    assert before == await direct.portfolio(ALICE)
    _, [key] = await broker.submitted()
    await broker.receive(fill(key, 4, cum=4))
    part = await portfolios.portfolio(ALICE)
    await broker.receive(fill(key, 6, cum=10))
    for found in (part, await portfolios.portfolio(ALICE)):
        assert found != before
    assert await portfolios.portfolio(ALICE) == await direct.portfolio(ALICE)
    assert await portfolios.portfolio(BOB) == await direct.portfolio(BOB)


async def test_late_load_never_hides_a_commit(broker: Broker, database: Database) -> None:
    reader, shared = Counted(database), MemoryPortfolios()
    portfolios = cached(database, reader, shared)
    reader.may_answer.clear()
    late = asyncio.create_task(portfolios.portfolio(ALICE))
    await eventually(lambda: reader.reads)
    await bought(broker)
    reader.may_answer.set()
    await late
    fresh = await portfolios.portfolio(ALICE)
    assert (
        fresh
        == await PostgresPortfolios(database).portfolio(ALICE)
        == await cached(database, reader, shared).portfolio(ALICE)
    )


async def test_unchanged_portfolio_is_loaded_once(broker: Broker, database: Database) -> None:
    reader, shared = Counted(database), MemoryPortfolios()
    first, second = cached(database, reader, shared), cached(database, reader, shared)
    found = await asyncio.gather(*(first.portfolio(ALICE) for _ in range(20)))
    found += [await first.portfolio(ALICE), await second.portfolio(ALICE)]
    assert reader.reads == 1
    assert all(each == found[0] for each in found)


async def test_caller_who_goes_away_does_not_end_the_load(broker: Broker, database: Database) -> None:
    reader = Counted(database)
    portfolios = cached(database, reader)
    reader.may_answer.clear()
    first, second = (asyncio.create_task(portfolios.portfolio(ALICE)) for _ in range(2))
    await eventually(lambda: reader.reads)
    first.cancel()
    reader.may_answer.set()
    assert (await second).holdings
    assert reader.reads == 1


async def test_next_day_begins_without_positions(broker: Broker, database: Database) -> None:
    await bought(broker)
    reader, market = PostgresPortfolios(database), FixedMarket()
    portfolios = cached(database, reader, market=market)
    assert (await portfolios.portfolio(ALICE)).positions
    market.offset = timedelta(days=1)
    broker.rows("INSERT INTO market_clock (offset_us) VALUES (86400000000)")
    assert not (await portfolios.portfolio(ALICE)).positions


async def test_copy_in_redis_is_the_portfolio(broker: Broker, database: Database, redis: Redis) -> None:
    await bought(broker)
    broker.rows("UPDATE costs SET cost = cost * 1000000 WHERE user_id = %s", ALICE)
    reader, cache = Counted(database), RedisPortfolioCache(redis)
    direct = await PostgresPortfolios(database).portfolio(ALICE)
    for _ in range(3):
        assert await cached(database, reader, cache).portfolio(ALICE) == direct
    assert reader.reads == 1
    [name] = await redis.keys(f"portfolio:{{{ALICE}}}*")
    assert 300 <= await redis.ttl(name) <= 360
    await redis.set(name, b"of another version")
    assert await cached(database, reader, cache).portfolio(ALICE) == direct


@pytest.mark.parametrize("address", ["redis://127.0.0.1:9/0"])
async def test_without_redis_the_database_answers(broker: Broker, database: Database, address: str) -> None:
    client = connect(address)
    reader = Counted(database)
    for _ in range(2):
        found = await cached(database, reader, RedisPortfolioCache(client)).portfolio(ALICE)
        assert found == await PostgresPortfolios(database).portfolio(ALICE)
    assert reader.reads == 2
    await client.aclose()
