"""Partitions ahead of time, retention, and a ledger checkpoint that keeps the trial balance quick."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from shared.ports.housekeeping import FinishedSagas, Housekeeping
from shared.ports.ledger import LedgerBook
from shared.ports.market import Market

_MOST_ROWS: Final = 5_000
_INSTANCES_KEPT: Final = timedelta(days=7)
_MISSED: Final = timedelta(days=2)
_HOUR: Final = timedelta(hours=1)
_LONGEST_S: Final = 200.0
"""Below `functionTimeout` in host.json; the next hour goes on."""
_log = structlog.get_logger(__name__)


class Upkeep:
    """Runs in bounded bites, so that no lock is held for long; what one run leaves is the next one's."""

    def __init__(self, housekeeping: Housekeeping, ledger: LedgerBook, market: Market) -> None:
        self._housekeeping = housekeeping
        self._ledger = ledger
        self._market = market

    async def prepare(self) -> None:
        """What must not be missing by day: coming partitions, a fresh checkpoint. Raises UnavailableError."""
        now = datetime.now(UTC)
        trade_dates = (await self._market.time()).trade_dates(now)
        made = await self._housekeeping.prepare(now, min(trade_dates.values()))
        if made:
            _log.info("partitions made", partitions=made)
        ends_at = time.monotonic() + _LONGEST_S
        while await self._ledger.take_checkpoint() and time.monotonic() < ends_at:
            pass

    async def retire(self, sagas: FinishedSagas) -> None:
        """Remove what is past its retention. Raises UnavailableError; the next run goes on."""
        ends_at = time.monotonic() + _LONGEST_S
        dropped = await self._housekeeping.drop_expired(datetime.now(UTC))
        forgotten = _MOST_ROWS
        while forgotten == _MOST_ROWS and time.monotonic() < ends_at:
            forgotten = await self._housekeeping.forget(_MOST_ROWS)
        purged = await self._purge(sagas, ends_at)
        _log.info("retention applied", partitions=dropped, sagas=purged)

    async def _purge(self, sagas: FinishedSagas, ends_at: float) -> int:
        purged = 0
        for since, until in _windows(datetime.now(UTC) - _INSTANCES_KEPT):
            if time.monotonic() >= ends_at:
                _log.warning("finished sagas are left for the next run", started_since=since.isoformat())
                break
            purged += await sagas.purge(since, until)
        return purged


def _windows(until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """What missed runs have left first, then the last two days hour by hour: one call's work stays bounded."""
    hour = until - _MISSED
    yield datetime.fromtimestamp(0, UTC), hour
    while hour < until:
        yield hour, min(hour + _HOUR, until)
        hour += _HOUR
