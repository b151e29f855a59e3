"""Reading quotes: how many a process answers, from its copy and past it, and how soon a waiting poll has a tick.

Calls are for 500 instruments each, as `POST /api/marketdata/quotes` takes them, and end with the bytes of the answer.
`hit`: from the process's copy. `miss`: the copy is never used, every call reads Redis; `changed`: and every quote is
another one than at the call before. The limit is Valkey's: the same HMGETs over a bare socket, whose answers nobody
reads. Figures `per_cpu_s` are per second of this process's own time, which other load on the machine leaves as it is.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import batched, cycle
from typing import Any, NamedTuple

from bench.market_data.frames import INSTRUMENTS, SHARDS, Market, instrument, members, name
from bench.report import middle, percentile, ratio, say
from shared.adapters.redis.client import Client
from shared.adapters.redis.market_layout import quotes_key
from shared.adapters.redis.quotes import RedisMarketWakeups, RedisQuotes
from shared.application.market_data.ingest import MarketData
from shared.application.quotes.board import QuoteBoard
from shared.application.quotes.read import ReadQuotes
from shared.application.quotes.ticker import MarketTicker
from shared.contracts.quote_writing import Mode
from shared.contracts.stream_cursors import read_cursor
from shared.domain.market_data.shards import ShardMap
from shared.ports.parked_events import FeedEvent
from tests.fakes.market import FixedMarket

_PER_CALL = 500
_POLLS, _TICKS_PER_S, _FRAMES_PER_S = 50, 2_000, 100
_FOREVER = 10**9


class _Rate(NamedTuple):
    """Quotes a second by the clock on the wall, and a second of this process's time."""

    per_s: float
    per_cpu_s: float


async def measure(redis: Client, url: str, data: MarketData, rounds: int, seconds: float) -> dict[str, Any]:
    """The figures of all rounds. `data` stores what is read."""
    await redis.flushdb()
    market = Market(1)
    await _store(data, [each.body for each in market.opening()])
    each = seconds / 4
    found: dict[str, list[_Rate]] = {}
    for number in range(rounds):
        figures = {
            "hit_ltp": await _reads(_reader(redis, _FOREVER), "ltp", each),
            "hit_full": await _reads(_reader(redis, _FOREVER), "full", each),
            "miss_ltp": await _reads(_reader(redis, 0), "ltp", each),
            "miss_full": await _reads(_reader(redis, 0), "full", each),
            "miss_changed_ltp": await _changed(redis, data, market, "ltp", each),
            "miss_changed_full": await _changed(redis, data, market, "full", each),
            "valkey_limit": await _limit(url, each),
        }
        for key, value in figures.items():
            found.setdefault(key, []).append(value)
        say(
            f"round {number}: " + ", ".join(f"{key} {value.per_s:,.0f}" for key, value in figures.items()) + " quotes/s"
        )
    delays = await _delays(redis, data, market, seconds)
    return {
        "quotes_per_s": {key: middle((each.per_s for each in values), 0) for key, values in found.items()},
        "quotes_per_cpu_s": {key: middle((each.per_cpu_s for each in values), 0) for key, values in found.items()},
        "share_of_valkeys_limit": ratio(*([each.per_s for each in found[key]] for key in ("miss_ltp", "valkey_limit"))),
        "waiting_polls": _POLLS,
        "tick_to_answer_p50_ms": round(percentile(delays, 0.5), 1),
        "tick_to_answer_p99_ms": round(percentile(delays, 0.99), 1),
    }


def _reader(redis: Client, keep_s: float) -> ReadQuotes:
    shards = ShardMap(members())
    return ReadQuotes(QuoteBoard(RedisQuotes(redis, shards), shards, FixedMarket(), keep_s=keep_s))


def _calls() -> Iterator[Sequence[str]]:
    """Whole shards, over and over: what is watched together lies together."""
    everything = [instrument(shard, place) for shard in range(SHARDS) for place in range(INSTRUMENTS)]
    return cycle([each for each in batched(everything, _PER_CALL, strict=False) if len(each) == _PER_CALL])


async def _reads(reads: ReadQuotes, mode: Mode, seconds: float) -> _Rate:
    calls, answered = _calls(), 0
    for _ in range(2 * SHARDS * INSTRUMENTS // _PER_CALL):
        await reads.quotes(next(calls), mode)
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        await reads.quotes(next(calls), mode)
        answered += _PER_CALL
    return _Rate(answered / (time.perf_counter() - began), answered / (time.process_time() - cpu))


async def _changed(redis: Client, data: MarketData, market: Market, mode: Mode, seconds: float) -> _Rate:
    """Only the reading is timed: all quotes change between two rounds over them."""
    reads, calls, answered, spent, cpu = _reader(redis, 0), _calls(), 0, 0.0, 0.0
    while spent < seconds:
        await _store(data, [market.windows(shard, range(INSTRUMENTS)).body for shard in range(SHARDS)])
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(SHARDS * INSTRUMENTS // _PER_CALL):
            await reads.quotes(next(calls), mode)
            answered += _PER_CALL
        spent += time.perf_counter() - began
        cpu += time.process_time() - cpu_began
    return _Rate(answered / spent, answered / cpu)


async def _limit(url: str, seconds: float) -> _Rate:
    """Quotes a second over a bare socket: the same HMGETs, 25 shards a round trip; answers are counted as bytes."""
    reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix://"), limit=1 << 24)
    shards = range(_PER_CALL // INSTRUMENTS)
    sent = b"".join(
        _hmget(quotes_key(name(each)), [instrument(each, place) for place in range(INSTRUMENTS)]) for each in shards
    )
    writer.write(sent)
    await asyncio.sleep(0.2)
    size = len(await reader.read(1 << 24))
    began, answered = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        writer.write(sent)
        await reader.readexactly(size)
        answered += _PER_CALL
    rate = answered / (time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()
    return _Rate(rate, rate)


def _hmget(key: str, fields: Sequence[str]) -> bytes:
    words = ["HMGET", key, *fields]
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


async def _delays(redis: Client, data: MarketData, market: Market, seconds: float) -> list[float]:
    """Milliseconds from a frame's planned instant to the answer of a poll that waited for it."""
    shards, wakeups = ShardMap(members()), RedisMarketWakeups(redis)
    board = QuoteBoard(RedisQuotes(redis, shards), shards, FixedMarket())
    ticker = MarketTicker(board, wakeups, most_waiting=_POLLS)
    planned: dict[str, float] = {}
    delays: list[float] = []
    polls = [asyncio.create_task(_poll(ticker, number, planned, delays)) for number in range(_POLLS)]
    began, done = time.perf_counter(), 0
    places = range(_TICKS_PER_S // _FRAMES_PER_S)
    while done < seconds * _FRAMES_PER_S:
        due = began + done / _FRAMES_PER_S
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        shard = done % _POLLS
        planned[name(shard)] = due
        await _store(data, [market.windows(shard, places).body])
        done += 1
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    await wakeups.close()
    return delays


async def _poll(ticker: MarketTicker, shard: int, planned: dict[str, float], delays: list[float]) -> None:
    """One client, poll after poll, of one shard of its own."""
    ids = [instrument(shard, place) for place in range(INSTRUMENTS)]
    seen = read_cursor(None)
    while True:
        answer = await ticker.poll(ids, "ltp", seen, 20)
        if seen and b'"ticks":[]' not in answer:
            delays.append((time.perf_counter() - planned[name(shard)]) * 1000)
        seen = read_cursor(_cursor_of(answer))


def _cursor_of(answer: bytes) -> str:
    return answer.rpartition(b'"cursor":"')[2].partition(b'"')[0].decode()


async def _store(data: MarketData, bodies: Sequence[bytes]) -> None:
    await data.ingest([FeedEvent("0", "0", None, body) for body in bodies])
