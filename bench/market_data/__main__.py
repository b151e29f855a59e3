"""`python -m bench.market_data`: the market feed into Redis, against a loop that only keeps the newest quotes.

Goal P10. Ours: batches of 100 events as the trigger hands them over, decoded, checked, counted into candles and stored
with their watermarks, in one process that owns four partitions, beside one Valkey. The plain loop decodes the same
batches and sets the newest quote of each instrument, one pipeline a batch: no candles, no check for gaps, and a replay
counts twice.
The delay is from when a frame was sent, by a plan that does not wait, until it is stored.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import structlog
import typer

from bench.brokers import BenchmarkError
from bench.market_data import reading
from bench.market_data.frames import INSTRUMENTS, SHARDS, Market, Packed, members, name
from bench.report import Effort, Quick, Rounds, Seconds, middle, percentile, ratio, result, say
from shared.adapters.redis.client import Client, connect
from shared.adapters.redis.market_shards import RedisMarketShards
from shared.application.market_data.ingest import MarketData
from shared.composition.market_data import MarketDataPorts, wire_market_data
from shared.contracts.market_feed import Heartbeat, decode
from shared.domain.market_data.shards import ShardMap
from shared.ports.parked_events import FeedEvent
from tests.fakes.market import FixedMarket
from tests.fakes.market_data import ListedParkedEvents
from tests.support.valkey import running_valkey

_BATCH, _PARTITIONS = 100, 4
_TICKS_PER_WINDOW = 3
_DELAY_TICKS_PER_S, _DELAY_FRAMES_PER_S = 2_000, 250

type Take = Callable[[Sequence[Packed]], Awaitable[object]]


def main(rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False) -> None:
    """Measure in turns, print one JSON line. `seconds` scales the market that is taken in."""
    effort = Effort.of(rounds, seconds, quick=quick)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with TemporaryDirectory(prefix="bench-market-") as folder, running_valkey(Path(folder)) as url:
        result("market_data", asyncio.run(_measure(url, effort)))


async def _measure(url: str, effort: Effort) -> dict[str, Any]:
    redis = connect(url)
    ours: list[float] = []
    plain: list[float] = []
    cpu: list[float] = []
    for number in range(effort.rounds):
        rate, share = await _throughput(redis, effort.seconds, _ours(redis))
        ours.append(rate)
        cpu.append(share)
        plain.append((await _throughput(redis, effort.seconds, _plain(redis)))[0])
        say(f"round {number}: {rate:.0f} ticks/s in {share:.0%} of a core; plain loop {plain[-1]:.0f} ticks/s")
    delays = await _delays(redis, effort.seconds)
    read = await reading.measure(redis, url, _data(redis), effort.rounds, effort.seconds)
    await redis.aclose()
    return {
        "rounds": effort.rounds,
        "shards": SHARDS,
        "instruments": SHARDS * INSTRUMENTS,
        "ticks_per_s": middle(ours, 0),
        "windows_per_s": round(middle(ours, 0) / _TICKS_PER_WINDOW),
        "ticks_per_cpu_s": round(middle(ours, 0) / middle(cpu, 3)),
        "plain_ticks_per_s": middle(plain, 0),
        "ratio": ratio(ours, plain),
        "delay_at_ticks_per_s": _DELAY_TICKS_PER_S,
        "tick_to_redis_p50_ms": round(percentile(delays, 0.5), 1),
        "tick_to_redis_p99_ms": round(percentile(delays, 0.99), 1),
        "reading": read,
    }


async def _throughput(redis: Client, seconds: float, take: Take) -> tuple[float, float]:
    """Ticks a second, batch after batch, and this process's share of a core meanwhile."""
    await redis.flushdb()
    market = Market(_TICKS_PER_WINDOW)
    await take(market.opening())
    ticks, spent, cpu = 0, 0.0, 0.0
    while spent < seconds:
        frames = market.second()
        began, cpu_began = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_partition(take, frames, number) for number in range(_PARTITIONS)))
        spent += time.perf_counter() - began
        cpu += time.process_time() - cpu_began
        ticks += sum(each.ticks for each in frames)
    return ticks / spent, cpu / spent


async def _partition(take: Take, frames: Sequence[Packed], number: int) -> None:
    """The batches of one partition, one after the other."""
    mine = [each for each in frames if int(each.shard[1:]) % _PARTITIONS == number]
    for batch in batched(mine, _BATCH, strict=False):
        await take(batch)


def _ours(redis: Client) -> Take:
    data = _data(redis)

    async def take(batch: Sequence[Packed]) -> None:
        await data.ingest([FeedEvent("0", "0", None, each.body) for each in batch])

    return take


def _data(redis: Client) -> MarketData:
    shards = ShardMap(members())
    parked = ListedParkedEvents()
    ports = MarketDataPorts(RedisMarketShards(redis, shards), parked, None, None, FixedMarket())
    return wire_market_data(ports, shards)


def _plain(redis: Client) -> Take:
    pack = msgspec.msgpack.Encoder().encode

    async def take(batch: Sequence[Packed]) -> None:
        pipeline = redis.pipeline(transaction=False)
        for each in batch:
            frame = decode(each.body)
            if not isinstance(frame, Heartbeat):
                pipeline.hset(f"plain:{frame.shard}", mapping={one.instrument_id: pack(one) for one in frame.windows})
        await pipeline.execute()

    return take


async def _delays(redis: Client, seconds: float) -> list[float]:
    """Milliseconds from each frame's planned instant until it is stored."""
    await redis.flushdb()
    market, data = Market(1), _data(redis)
    await data.ingest([FeedEvent("0", "0", None, each.body) for each in market.opening()])
    places = _DELAY_TICKS_PER_S // _DELAY_FRAMES_PER_S
    frames = [market.windows(number % SHARDS, range(places)) for number in range(int(seconds * _DELAY_FRAMES_PER_S))]
    began, done, delays = time.perf_counter(), 0, list[float]()
    while done < len(frames):
        due = int((time.perf_counter() - began) * _DELAY_FRAMES_PER_S)
        if due <= done:
            await asyncio.sleep(0.001)
            continue
        batch = frames[done : min(due, done + _BATCH)]
        await data.ingest([FeedEvent("0", "0", None, each.body) for each in batch])
        now = time.perf_counter() - began
        delays += [(now - number / _DELAY_FRAMES_PER_S) * 1000 for number in range(done, done + len(batch))]
        done += len(batch)
    if await redis.hlen(f"q:{{{name(0)}}}") != INSTRUMENTS:
        raise BenchmarkError("the quotes did not arrive")
    return delays


if __name__ == "__main__":
    typer.run(main)
