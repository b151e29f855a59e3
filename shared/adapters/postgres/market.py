"""The market's clock in PostgreSQL, read by the calendars of its segments."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.batching import Batcher
from shared.domain.sessions import MarketTime, SessionCalendar

_SQL = load("market.sql")
_ALL: Final = 100_000


class PostgresMarket:
    """`Market` on PostgreSQL: one row, read at most once in `keep_s`, by one caller for all that wait."""

    def __init__(self, database: Database, calendars: Mapping[str, SessionCalendar], *, keep_s: float = 1.0) -> None:
        self._database = database
        self._keep_s = keep_s
        self._time = MarketTime(calendars)
        self._read_at = -keep_s
        self._readings: Batcher[None, MarketTime] = Batcher(self._read, most=_ALL, at_once=1)

    async def time(self) -> MarketTime:
        """See `Market.time`."""
        return self._time if self._is_fresh() else await self._readings.submit(None)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < self._keep_s

    async def _read(self, callers: Sequence[None]) -> Sequence[MarketTime]:
        # Whoever came while the row was being read is served by that reading.
        if not self._is_fresh():
            async with self._database.connection() as connection:
                row = await (await connection.execute(_SQL["offset"])).fetchone()
            offset = timedelta(microseconds=0 if row is None else row[0])
            self._time = MarketTime(self._time.calendars, offset)
            self._read_at = time.monotonic()
        return [self._time] * len(callers)
