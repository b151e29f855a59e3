"""Ingest killed at random moments between storing and checkpoint, by two owners at once, on an emptied Valkey too."""

import asyncio
import multiprocessing
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis

from shared.adapters.redis.client import connect
from shared.adapters.redis.market_shards import RedisMarketShards
from shared.application.market_data.closing import Closing
from shared.application.market_data.ingest import MarketData
from shared.application.market_data.lag import Lag
from shared.application.market_data.repairs import Repairs
from shared.contracts.market_feed import Frame
from shared.domain.market_data.book import ShardBook
from shared.domain.market_data.quotes import SessionPhase
from shared.domain.market_data.shards import ShardMap
from tests.application.market_data.world import INFY, TCS, events_of, figures
from tests.fakes.market import FixedMarket
from tests.fakes.market_data import ListedParkedEvents
from tests.support.tape import SECOND_US, Tape

_FORK = multiprocessing.get_context("fork")
_BATCHES, _KILLS = 400, 18
_INSTRUMENTS = (INFY, TCS)


def story(shard: str, seed: int) -> tuple[Tape, list[list[Frame]]]:
    """A day in batches, whose frames also get lost and come late."""
    chance, tape = random.Random(seed), Tape(shard, _INSTRUMENTS)
    batches: list[list[Frame]] = [[tape.keyframe()]]
    for number in range(1, _BATCHES):
        tape.now += chance.randrange(4) * SECOND_US
        tape.phase = SessionPhase.PRE_OPEN if number < _BATCHES // 10 else SessionPhase.CONTINUOUS
        for _ in range(chance.randrange(6)):
            late = tape.now - 61 * SECOND_US if chance.random() < 0.02 else None
            tape.happen(chance.choice(_INSTRUMENTS), 100_00 + 5 * chance.randrange(40), chance.randrange(50), at=late)
        frames: list[Frame] = [tape.windows()]
        if chance.random() < 0.02:
            tape.restart()
            frames.append(tape.keyframe())
        if number % 5 == 0:
            frames.append(tape.heartbeat())
        batches.append([each for each in frames if chance.random() > 0.03] or [tape.heartbeat()])
    return tape, batches


def ingest(url: str, tape: Tape) -> MarketData:
    shards = ShardMap((tape.shard, each) for each in _INSTRUMENTS)
    store = RedisMarketShards(connect(url), shards)
    return MarketData(
        shards, store, ListedParkedEvents(), Repairs(tape), Closing(None), Lag(FixedMarket(), every_s=1e9)
    )


def run(url: str, tape: Tape, batches: Sequence[Sequence[Frame]], checkpoint: Path) -> None:
    """One owner of the partition, from its checkpoint to the end."""

    begin = int(checkpoint.read_text())

    async def take() -> None:
        data = ingest(url, tape)
        for number, batch in enumerate(batches[begin:], begin + 1):
            await data.ingest(events_of(batch))
            write(checkpoint, number)

    asyncio.run(take())


def write(checkpoint: Path, number: int) -> None:
    """As a whole, whenever the process is killed."""
    fresh = checkpoint.with_suffix(".new")
    fresh.write_text(str(number))
    fresh.rename(checkpoint)


@pytest.mark.crash
@pytest.mark.usefixtures("quiet_log")
def test_killed_owners_leave_exact_candles(valkey: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    seed = pytestconfig.getoption("--crash-seed")
    chance = random.Random(seed)
    tape, batches = story(f"kills{seed}", seed)
    checkpoints = [tmp_path / "one", tmp_path / "two"]
    for each in checkpoints:
        each.write_text("0")
    for kill in range(_KILLS):
        owners = [_FORK.Process(target=run, args=(valkey, tape, batches, each)) for each in checkpoints]
        for owner in owners:
            owner.start()
        for owner in chance.sample(owners, 2):
            owner.join(chance.uniform(0.02, 0.12))
            owner.kill()
            owner.join()
        if kill == _KILLS // 2:
            BlockingRedis.from_url(valkey).flushdb()
    for each in checkpoints:
        run(valkey, tape, batches, each)

    book = asyncio.run(settled(valkey, tape))
    for instrument_id in _INSTRUMENTS:
        candles = book.candles[instrument_id]
        assert {key: figures(each) for key, each in candles.items()} == tape.candles(instrument_id)
        assert all(each.is_complete for each in candles.values())
        assert book.quotes[instrument_id].volume == tape.volume(instrument_id)


async def settled(url: str, tape: Tape) -> ShardBook:
    """The shard after the newest keyframe and heartbeats."""
    data = ingest(url, tape)
    for _ in range(3):
        tape.now += SECOND_US
        await data.ingest(events_of([tape.windows(), tape.keyframe(), tape.heartbeat()]))
    redis = connect(url)
    book = await RedisMarketShards(redis, ShardMap((tape.shard, each) for each in _INSTRUMENTS)).load([tape.shard])
    await redis.aclose()
    return book[tape.shard]
