"""`MarketShards` on Redis: a shard is read whole, and written by one script that compares its version first."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, Final, NamedTuple

import stamina

from shared.adapters.redis.client import AWAY, Breaker, Client
from shared.adapters.redis.market_layout import (
    candle_field,
    candles_key,
    channel,
    heartbeat_key,
    pack,
    progress_key,
    quotes_key,
    unpack_candle,
    unpack_progress,
    unpack_quote,
    unpack_state,
    version_key,
)
from shared.adapters.redis.scripts import Call, Script, run_scripts
from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import ShardBook
from shared.domain.market_data.shards import ShardMap

_PATIENCE_S: Final = 2.0
_ARGUMENTS_AT_ONCE: Final = 1_000
"""Far below what Lua's stack takes."""
_COMMIT: Final = Script("""
local version = redis.call('GET', KEYS[1]) or ''
if version == ARGV[2] then return 1 end
if version ~= ARGV[1] then return 0 end
local at = 1
local function value()
  local found
  found, at = struct.unpack('>I4c0', ARGV[4], at)
  return found
end
for place = 2, #KEYS do
  local command, values = value(), {}
  for number = 1, tonumber(value()) do values[number] = value() end
  redis.call(command, KEYS[place], unpack(values))
end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], '') end
return 1
""")


class _Write(NamedTuple):
    """One command of the script, on one of the shard's keys."""

    command: str
    key: str
    values: Sequence[str | bytes]


class RedisMarketShards:
    """The keys of `market_layout`."""

    def __init__(self, redis: Client, shards: ShardMap) -> None:
        self._redis = redis
        self._shards = shards
        self._breaker = Breaker()
        self._process, self._count = os.urandom(8).hex(), 0

    async def load(self, shards: Collection[str]) -> Mapping[str, ShardBook]:
        """See `MarketShards.load`. The version is read first: what changes after that is noticed by the commit."""

        async def read() -> list[Any]:
            pipeline = self._redis.pipeline(transaction=False)
            for shard in shards:
                pipeline.get(version_key(shard))
                pipeline.hgetall(quotes_key(shard))
                pipeline.hgetall(progress_key(shard))
                pipeline.get(heartbeat_key(shard))
                for instrument_id in self._shards.instruments_of(shard):
                    pipeline.hvals(candles_key(shard, instrument_id))
            return await pipeline.execute()

        answers = iter(await self._patiently(read))
        return {shard: self._book(shard, answers) for shard in shards}

    async def commit(self, books: Sequence[ShardBook]) -> Sequence[bool]:
        """See `MarketShards.commit`."""
        versions = [self._next_version() for _ in books]

        async def write() -> list[Any]:
            calls = []
            for book, version in zip(books, versions, strict=True):
                woken = channel(book.shard) if book.changes.announced else ""
                writes = list(_writes(book))
                keys = [version_key(book.shard), *(each.key for each in writes)]
                calls.append(Call(_COMMIT, keys, [book.version, version, woken, _joined(writes)]))
            return await run_scripts(self._redis, calls)

        stored = [bool(each) for each in await self._patiently(write)]
        for book, version, is_stored in zip(books, versions, stored, strict=True):
            if is_stored:
                book.version = version
        return stored

    def _book(self, shard: str, answers: Iterator[Any]) -> ShardBook:
        version, quotes, progress, state = (next(answers) for _ in range(4))
        book = ShardBook(shard, version or b"", unpack_state(state) if state else None)
        book.quotes = {key.decode(): unpack_quote(each) for key, each in quotes.items()}
        book.progress = {key.decode(): unpack_progress(each) for key, each in progress.items()}
        for instrument_id in self._shards.instruments_of(shard):
            candles = [unpack_candle(each) for each in next(answers)]
            book.candles[instrument_id] = {candle.key: candle for candle in candles}
        return book

    def _next_version(self) -> bytes:
        self._count += 1
        return f"{self._process}:{self._count}".encode()

    async def _patiently(self, work: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
        """The answer, after a few tries. Raises UnavailableError, at once when Redis was unavailable just now."""
        if not self._breaker.is_open:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    async for attempt in stamina.retry_context(
                        on=AWAY, attempts=None, timeout=_PATIENCE_S, wait_initial=0.02, wait_max=0.2
                    ):
                        with attempt:
                            return await work()
            except AWAY as error:
                self._breaker.trip()
                raise _away() from error
        raise _away()


def _away() -> UnavailableError:
    return UnavailableError("Market data cannot be stored now", retry_after_s=1)


def _writes(book: ShardBook) -> Iterator[_Write]:
    changes = book.changes
    yield from _set(quotes_key(book.shard), [(each, book.quotes[each]) for each in changes.quotes])
    yield from _set(progress_key(book.shard), [(each, book.progress[each]) for each in changes.progress])
    for instrument_id, keys in changes.candles.items():
        at, held = candles_key(book.shard, instrument_id), book.candles.get(instrument_id, {})
        yield from _set(at, [(candle_field(key), held[key]) for key in keys if key in held])
        for gone in batched((candle_field(key) for key in keys if key not in held), _ARGUMENTS_AT_ONCE, strict=False):
            yield _Write("HDEL", at, gone)
    if changes.state:
        yield _Write("SET", heartbeat_key(book.shard), [pack(book.state)])


def _joined(writes: Iterable[_Write]) -> bytes:
    """All writes as one argument, each part behind its length: redis-py spends more on an argument than the script."""
    parts: list[bytes] = []
    for command, _, values in writes:
        for value in (command, str(len(values)), *values):
            part = value.encode() if isinstance(value, str) else value
            parts += (len(part).to_bytes(4), part)
    return b"".join(parts)


def _set(key: str, fields: Iterable[tuple[str, object]]) -> Iterator[_Write]:
    for some in batched(fields, _ARGUMENTS_AT_ONCE // 2, strict=False):
        yield _Write("HSET", key, [each for field, value in some for each in (field, pack(value))])
