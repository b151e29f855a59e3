"""Handing closed candles to history; they stay in the book until history has confirmed them."""

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import structlog

from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import ShardBook
from shared.domain.market_data.candles import HOUR_US, Candle, hour_of, newest
from shared.ports.candles import CandleHistory, CandleHour

_BUDGET_S: Final = 2.0
_REST_S: Final = 5.0
_MOST_TRIES: Final = 5
_KEEP_US: Final = 24 * HOUR_US
_log = structlog.get_logger(__name__)


class Closing:
    """The use case; `history` None: none is connected, and candles stay in the book for a day."""

    def __init__(self, history: CandleHistory | None) -> None:
        self._history = history
        self._rests_until = 0.0

    async def close(self, books: Iterable[ShardBook]) -> None:
        """Write what is closed and take it out of the books. Never raises: what could not be written stays."""
        began = time.monotonic()
        if began < self._rests_until:
            return
        for book, instrument_id, candles in [(each, *closed) for each in books for closed in each.closed().items()]:
            if self._history is None:
                assert book.state is not None, "a book without a heartbeat has nothing closed"
                oldest = book.state.sent_at - _KEEP_US
                book.forget(instrument_id, [each for each in candles if each.start < oldest])
                continue
            if time.monotonic() - began > _BUDGET_S:
                return
            try:
                await self._write(self._history, book, instrument_id, candles)
            except UnavailableError:
                self._rests_until = time.monotonic() + _REST_S
                _log.warning("history is unavailable; closed candles stay in Redis", instrument=instrument_id)
                return

    async def _write(
        self, history: CandleHistory, book: ShardBook, instrument_id: str, candles: Sequence[Candle]
    ) -> None:
        in_order = sorted(candles, key=lambda each: each.start)
        for hour, of_hour in groupby(in_order, lambda each: hour_of(each.start)):
            confirmed = list(of_hour)
            if await _merge(history, instrument_id, hour, confirmed):
                book.forget(instrument_id, confirmed)


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
