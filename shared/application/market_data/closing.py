"""Handing closed candles to history; they stay in the book until history has confirmed them.

Writing runs beside the batches, one task a shard, so that quotes never wait for it. A task works on candles as they
were, and never on the book: what it has written leaves the book with a later heartbeat, if it is still the same.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

import structlog

from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import ShardBook
from shared.domain.market_data.candles import HOUR_US, Candle, hour_of, minute_of, newest
from shared.ports.candles import CandleHistory, CandleHour

_AT_ONCE: Final = 8
"""Documents that one process writes at a time."""
_REST_S: Final = 5.0
_MOST_TRIES: Final = 5
_KEEP_US: Final = 24 * HOUR_US
_log = structlog.get_logger(__name__)

type Confirmed = list[tuple[str, Sequence[Candle]]]


class Closing:
    """The use case; `history` None: none is connected, and candles stay in the book for a day."""

    def __init__(self, history: CandleHistory | None) -> None:
        self._history = history
        self._writing: dict[str, asyncio.Task[Confirmed]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._trimmed: dict[str, int] = {}
        self._rests_until = 0.0

    def close(self, books: Iterable[ShardBook]) -> None:
        """Take out of the books what history has, and begin to write what it should have."""
        for book in books:
            if self._history is None:
                self._trim(book)
                continue
            self._take_out(book)
            if book.shard not in self._writing and time.monotonic() >= self._rests_until and (closed := book.closed()):
                self._writing[book.shard] = asyncio.create_task(self._write(self._history, closed))

    def _trim(self, book: ShardBook) -> None:
        """Once a minute, because without history there are many candles to look through."""
        assert book.state is not None, "a book is closed when a heartbeat came"
        minute = minute_of(book.state.sent_at)
        if self._trimmed.get(book.shard) != minute:
            self._trimmed[book.shard] = minute
            for instrument_id, candles in book.closed().items():
                book.forget(instrument_id, [each for each in candles if each.start < minute - _KEEP_US])

    def _take_out(self, book: ShardBook) -> None:
        task = self._writing.get(book.shard)
        if task is None or not task.done():
            return
        del self._writing[book.shard]
        if (error := task.exception()) is not None:
            _log.error("closed candles could not be written", shard=book.shard, exc_info=error)
            return
        for instrument_id, candles in task.result():
            book.forget(instrument_id, candles)

    async def _write(self, history: CandleHistory, closed: Mapping[str, Sequence[Candle]]) -> Confirmed:
        """What history has confirmed. What it has not is written again with a later heartbeat."""
        confirmed: Confirmed = []

        async def write(instrument_id: str, candles: Sequence[Candle]) -> None:
            async with self._slots:
                for hour, of_hour in groupby(sorted(candles, key=_start), lambda each: hour_of(each.start)):
                    members = list(of_hour)
                    if await _merge(history, instrument_id, hour, members):
                        confirmed.append((instrument_id, members))

        outcomes = await asyncio.gather(*(write(*each) for each in closed.items()), return_exceptions=True)
        errors = [each for each in outcomes if each is not None]
        for error in errors:
            if not isinstance(error, UnavailableError):
                raise error
        if errors:
            self._rests_until = time.monotonic() + _REST_S
            _log.warning("history is unavailable; closed candles stay in Redis", instruments=len(errors))
        return confirmed


def _start(candle: Candle) -> int:
    return candle.start


async def _merge(history: CandleHistory, instrument_id: str, hour: int, candles: Sequence[Candle]) -> bool:
    """Put them into their document, each in place of one with a smaller revision. False: others kept writing it."""
    for _ in range(_MOST_TRIES):
        found = await history.hours(instrument_id, hour, hour)
        held, etag = (found[0].candles, found[0].etag) if found else ((), None)
        merged = newest([*held, *candles])
        if found and merged == list(held):
            return True
        if await history.put(CandleHour(instrument_id, hour, merged, etag)):
            return True
    return False
