"""The whole ledger, from PostgreSQL, and its checkpoint."""

from datetime import UTC, datetime
from typing import Final

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.ports.ledger import AccountSum, LedgerSums

_SQL = load("ledger.sql")
_BITE: Final = 200_000
"""Ledger lines that one checkpoint adds at most: a second or less of work."""


class PostgresLedger:
    """`LedgerBook` on PostgreSQL."""

    def __init__(self, database: Database, *, bite: int = _BITE) -> None:
        self._database = database
        self._bite = bite

    async def sums(self) -> LedgerSums:
        """See `LedgerBook.sums`."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["plan_for_sums"])
            rows = await (await connection.execute(_SQL["ledger_sums"])).fetchall()
        taken_at, checkpoint_at = rows[0][:2] if rows else (datetime.now(UTC), None)
        return LedgerSums(taken_at, checkpoint_at, [AccountSum(*row[2:]) for row in rows])

    async def take_checkpoint(self) -> bool:
        """See `LedgerBook.take_checkpoint`."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["plan_for_sums"])
            await connection.execute(_SQL["begin_checkpoint"])
            taken = await connection.execute(_SQL["take_checkpoint"], {"most": self._bite})
            row = await taken.fetchone()
            return row is not None and row[0]
