"""Orders in doubt, from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.doubts import DoubtPosition, DoubtRecord

_SQL = load("doubts.sql")


class PostgresDoubts(Statements):
    """`DoubtReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def doubts(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """See `DoubtReader.doubts`."""
        position = {"since": None, "order_id": None} if after is None else asdict(after)
        return [DoubtRecord(*row) for row in await self._rows("doubts", limit=limit, **position)]

    async def doubt(self, order_id: UUID) -> DoubtRecord | None:
        """See `DoubtReader.doubt`."""
        rows = await self._rows("doubt", order_id=order_id)
        return DoubtRecord(*rows[0]) if rows else None
