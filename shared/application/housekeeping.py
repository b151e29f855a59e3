"""The nightly round: retention, next months' partitions, a ledger checkpoint that keeps the trial balance quick."""

from datetime import UTC, datetime

import structlog

from shared.ports.housekeeping import Housekeeping
from shared.ports.ledger import LedgerBook

_MOST_ROWS = 5_000
_MOST_ROUNDS = 200
_log = structlog.get_logger(__name__)


class Nightly:
    """Runs in bounded bites, so that no lock is held for long."""

    def __init__(self, housekeeping: Housekeeping, ledger: LedgerBook) -> None:
        self._housekeeping = housekeeping
        self._ledger = ledger

    async def run(self) -> None:
        """One round. Raises UnavailableError when the database is unavailable; the next night goes on."""
        made = await self._housekeeping.prepare_months(datetime.now(UTC).date())
        for _ in range(_MOST_ROUNDS):
            removed = await self._housekeeping.forget(_MOST_ROWS)
            if max(removed.values()) < _MOST_ROWS:
                break
        checkpoint = await self._ledger.take_checkpoint()
        _log.info("nightly round done", partitions=made, removed=removed, checkpoint=checkpoint)
