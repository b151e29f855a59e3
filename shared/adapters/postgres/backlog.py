"""What waits in our own tables, from PostgreSQL."""

from collections.abc import Sequence

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.backlog import ParkedRecord, TableBacklog

_SQL = load("backlog.sql")


class PostgresBacklog(Statements):
    """`BacklogReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def tables(self) -> Sequence[TableBacklog]:
        """See `BacklogReader.tables`."""
        return [TableBacklog(*row) for row in await self._rows("tables")]

    async def parked(self, limit: int) -> Sequence[ParkedRecord]:
        """See `BacklogReader.parked`."""
        return [ParkedRecord(*row) for row in await self._rows("parked", limit=limit)]
