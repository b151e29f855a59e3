"""Portfolios that have not changed are not put together again: copies in this process, then in Redis, then PostgreSQL.

A copy is kept under the sequence of the user's newest change, and that sequence is read from the database, together
with those of all who ask at the moment. So a commit invalidates by itself: whoever asks after it looks under another
key, and what a slow reader puts in late lies under a key that nobody asks for any more.
"""

import asyncio
from collections import OrderedDict
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from shared.application.notifications import StreamPositions
from shared.domain.sessions import INDIA
from shared.ports.market import Market
from shared.ports.portfolios import PortfolioCache, PortfolioKey, PortfolioReader, PortfolioRecord

_MOST_HERE: Final = 1_000


class CachedPortfolios:
    """`PortfolioReader` over another one."""

    def __init__(
        self, reader: PortfolioReader, cache: PortfolioCache, positions: StreamPositions, market: Market
    ) -> None:
        self._reader = reader
        self._cache = cache
        self._positions = positions
        self._market = market
        self._here: OrderedDict[PortfolioKey, PortfolioRecord] = OrderedDict()
        self._loading: dict[PortfolioKey, asyncio.Task[PortfolioRecord]] = {}

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        """See `PortfolioReader.portfolio`."""
        sequence, on = await self._positions.current(user_id), await self._date()
        if sequence is None:
            return await self._reader.portfolio(user_id)
        key = PortfolioKey(user_id, sequence, on)
        known = self._here.get(key)
        if known is not None:
            self._here.move_to_end(key)
            return known
        return await self._load_once(key)

    async def _date(self) -> date:
        """The date that the day's positions belong to: India's, by the market's clock."""
        offset = (await self._market.time()).offset
        return (datetime.now(UTC) + offset).astimezone(INDIA).date()

    async def _load_once(self, key: PortfolioKey) -> PortfolioRecord:
        """One load for all that ask meanwhile; one caller who goes away does not end it."""
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._load(key))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _load(self, key: PortfolioKey) -> PortfolioRecord:
        found = await self._cache.get(key)
        if found is None:
            # Read after the sequence: at least as new as its key says.
            found = await self._reader.portfolio(key.user_id)
            await self._cache.put(key, found)
        if found.trade_date == key.trade_date:
            self._here[key] = found
            if len(self._here) > _MOST_HERE:
                self._here.popitem(last=False)
        return found
