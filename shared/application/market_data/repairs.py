"""Closing gaps: the venue is asked for the trades, and the damaged minutes are made anew.

Done within the invocation that saw a heartbeat, for as long as `_BUDGET_S` allows; the next heartbeat goes on. Nothing
else changes the shard meanwhile, and if something does, the commit fails and the gap stays open.
"""

import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

import structlog

from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import Gap, ShardBook
from shared.domain.market_data.candles import MINUTE_US, minute_of
from shared.domain.market_data.repairs import Resent, minutes_to_ask, repair
from shared.domain.market_data.tape import Resend, Trade
from shared.ports.resends import Resends, TooOldError

_BUDGET_S: Final = 2.0
_REST_S: Final = 5.0
"""The venue is left alone this long after it did not answer."""
_MOST_EPOCHS: Final = 200
"""A feed that was restarted more often than this while nothing was received is not followed back."""
_log = structlog.get_logger(__name__)


class Repairs:
    """The use case; `resends` None: no venue is connected, and gaps stay open."""

    def __init__(self, resends: Resends | None) -> None:
        self._resends = resends
        self._rests_until = 0.0

    async def repair(self, books: Iterable[ShardBook]) -> None:
        """Close what gaps there is time for, in place. Never raises: what could not be closed stays open."""
        began = time.monotonic()
        if self._resends is None or began < self._rests_until:
            return
        asking = _Asking(self._resends)
        for book, instrument_id in [(each, damaged) for each in books for damaged in each.damaged]:
            if time.monotonic() - began > _BUDGET_S:
                return
            try:
                await self._repair(asking, book, instrument_id)
            except UnavailableError:
                self._rests_until = time.monotonic() + _REST_S
                _log.warning("the venue does not resend trades; minutes stay incomplete", instrument=instrument_id)
                return

    async def _repair(self, asking: "_Asking", book: ShardBook, instrument_id: str) -> None:
        try:
            resent = await asking.about(book, instrument_id)
        except TooOldError:
            _log.error("trades were lost that the venue keeps no longer", instrument=instrument_id)
            book.settle(instrument_id)
            return
        if resent is None:
            _log.error("the venue does not know an instrument that it publishes", instrument=instrument_id)
            book.settle(instrument_id)
        elif repair(book, instrument_id, resent):
            _log.info("lost trades were resent", instrument=instrument_id, minutes=len(resent.trades))


class _Asking:
    """The questions about one instrument."""

    def __init__(self, resends: Resends) -> None:
        self._resends = resends

    async def about(self, book: ShardBook, instrument_id: str) -> Resent | None:
        """Everything that a repair needs; None for an instrument that the venue does not know."""
        progress = book.progress[instrument_id]
        gap = progress.gap
        through = progress.mark
        trades: dict[int, list[Trade]] = {}
        if gap is not None:
            pages = await self._lost(instrument_id, gap, progress.epoch)
            if not pages:
                return None
            through = min(page.through for page in pages)
            trades = _by_minute(pages, first_minute=gap.minute + MINUTE_US if gap.is_whole_day else 0)
        resent = Resent(gap, trades, {}, through)
        minutes: dict[int, Sequence[Trade]] = {}
        for minute in sorted(minutes_to_ask(book, instrument_id, resent)):
            page = await self._resends.of_minute(instrument_id, minute)
            if page is None:
                return None
            through = min(through, page.through)
            minutes[minute] = page.trades
        return Resent(gap, trades, minutes, through)

    async def _lost(self, instrument_id: str, gap: Gap, newest_epoch: int) -> list[Resend]:
        if gap.is_whole_day:
            return await self._day(instrument_id, newest_epoch, gap.minute + MINUTE_US)
        if newest_epoch - gap.epoch > _MOST_EPOCHS:
            raise TooOldError
        pages = await self._pages(instrument_id, gap.epoch, gap.sequence)
        for epoch in range(gap.epoch + 1, newest_epoch + 1):
            pages += await self._pages(instrument_id, epoch, 0)
        return pages

    async def _day(self, instrument_id: str, newest_epoch: int, day_start: int) -> list[Resend]:
        """All trades of the day, when nothing is known: of the newest epoch, then of those before it, down to 0."""
        pages: list[Resend] = []
        for epoch in range(newest_epoch, max(-1, newest_epoch - _MOST_EPOCHS), -1):
            first = await self._first_of_day(instrument_id, epoch, day_start)
            pages += await self._pages(instrument_id, epoch, first)
            if first > 0:
                break
        return pages

    async def _first_of_day(self, instrument_id: str, epoch: int, day_start: int) -> int:
        """The sequence after which all trades of the epoch are of this day; 0 if there is none before it."""

        async def is_of_day(sequence: int) -> bool:
            try:
                page = await self._resends.after(instrument_id, epoch, sequence, most=1)
            except TooOldError:
                return False
            return page is None or not page.trades or page.trades[0].exchange_time >= day_start

        if await is_of_day(0):
            return 0
        before, within = 0, 1
        while not await is_of_day(within):
            before, within = within, within * 2
        while within - before > 1:
            middle = (before + within) // 2
            if await is_of_day(middle):
                within = middle
            else:
                before = middle
        return within

    async def _pages(self, instrument_id: str, epoch: int, sequence: int) -> list[Resend]:
        pages: list[Resend] = []
        after: int | None = sequence
        while after is not None and (page := await self._resends.after(instrument_id, epoch, after)) is not None:
            pages.append(page)
            if page.next_after is not None and page.next_after <= after:
                raise UnavailableError("The venue's resend does not move on", retry_after_s=5)
            after = page.next_after
        return pages


def _by_minute(pages: Iterable[Resend], first_minute: int) -> dict[int, list[Trade]]:
    found: dict[int, list[Trade]] = {}
    for trade in chain.from_iterable(page.trades for page in pages):
        minute = minute_of(trade.exchange_time)
        if minute >= first_minute:
            found.setdefault(minute, []).append(trade)
    return found
