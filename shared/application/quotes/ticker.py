"""The market ticker: ticks after a cursor, waited for when there are none.

A waiting poll first watches the shards and then reads the quotes again, so a tick cannot fall between its reading and
its wait. Each poll that waits occupies one of the process's concurrent calls; beyond a share of them polls are refused,
so that they never keep out orders.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from shared.application.quotes.board import KnownQuote, QuoteBoard
from shared.application.quotes.read import no_quotes, require_known
from shared.contracts.quote_writing import Form, Mode, write_quotes
from shared.contracts.stream_cursors import write_cursor
from shared.domain.errors import OverloadedError
from shared.domain.market_data.quotes import Mark
from shared.ports.quotes import MarketWakeups

_POLL_S: Final = 1.0
"""A hint may be lost: so long is the longest delay that this costs."""
_AS_KEPT: Final = float("inf")
_NOTHING: Final = Mark(0, 0)


class MarketTicker:
    """The use case, of one process."""

    def __init__(self, board: QuoteBoard, wakeups: MarketWakeups, *, most_waiting: int) -> None:
        self._board = board
        self._wakeups = wakeups
        self._most_waiting = most_waiting
        self._waiting = 0

    async def poll(
        self,
        instrument_ids: Sequence[str],
        mode: Mode,
        seen: Mapping[str, Mark],
        wait_s: float,
        form: Form = Form.JSON,
    ) -> bytes:
        """A `StreamView`: each instrument's newest quote if it is newer than `seen`, or none when the time is over.

        Raises NotFoundError for an unknown instrument, UnavailableError when none has a quote yet, OverloadedError when
        too many polls wait.
        """
        require_known(self._board, instrument_ids)
        found = await self._present(instrument_ids, seen)
        if not found:
            raise no_quotes()
        ticks = _after(found, seen)
        if not ticks and wait_s > 0:
            with self._room():
                ticks = await self._await_ticks(instrument_ids, seen, wait_s)
        stale = await self._board.staleness(set(self._board.shards_of(instrument_ids).values()))
        cursor = write_cursor(_reached(instrument_ids, seen, ticks))
        return write_quotes(form, mode, ticks.values(), name="ticks", cursor=cursor, stale=any(stale.values()))

    async def _present(self, instrument_ids: Sequence[str], seen: Mapping[str, Mark]) -> dict[str, KnownQuote]:
        """The quotes. An epoch that is not known here may be known in the store: it is read again first."""
        found = await self._board.read(instrument_ids)
        ahead = [each for each, known in found.items() if _is_ahead(seen.get(each, _NOTHING), known)]
        if not ahead:
            return found
        await self._board.read_again(set(self._board.shards_of(ahead).values()))
        return await self._board.read(instrument_ids, keep_s=_AS_KEPT)

    async def _await_ticks(
        self, instrument_ids: Sequence[str], seen: Mapping[str, Mark], wait_s: float
    ) -> dict[str, KnownQuote]:
        deadline = time.monotonic() + wait_s
        shards = frozenset(self._board.shards_of(instrument_ids).values())
        async with self._wakeups.watch(shards) as changes:
            due: Collection[str] = shards
            while True:
                await self._board.read_again(due)
                ticks = _after(await self._board.read(instrument_ids, keep_s=_AS_KEPT), seen)
                left = deadline - time.monotonic()
                if ticks or left <= 0:
                    return ticks
                due = await changes.next(min(left, _POLL_S)) or shards

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._waiting >= self._most_waiting:
            raise OverloadedError("Too many polls wait: repeat the request after Retry-After seconds", retry_after_s=1)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _after(found: Mapping[str, KnownQuote], seen: Mapping[str, Mark]) -> dict[str, KnownQuote]:
    """What the client has not seen; all of an instrument whose epoch in the cursor nobody knows."""
    return {
        each: known
        for each, known in found.items()
        if known.written.quote.mark > (mark := seen.get(each, _NOTHING)) or _is_ahead(mark, known)
    }


def _reached(
    instrument_ids: Sequence[str], seen: Mapping[str, Mark], ticks: Mapping[str, KnownQuote]
) -> dict[str, Mark]:
    """How far the client has seen each instrument after this answer."""
    return {
        each: ticks[each].written.quote.mark if each in ticks else seen.get(each, _NOTHING) for each in instrument_ids
    }


def _is_ahead(seen: Mark, known: KnownQuote) -> bool:
    return seen.epoch > known.written.quote.epoch
