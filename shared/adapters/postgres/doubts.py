"""Orders in doubt, from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.domain.orders.events import Closing
from shared.ports.doubts import DoubtPosition, DoubtRecord

_PARTS = load("doubts.sql")
_SQL = {name: f"{_PARTS['records']}\n{part}" for name, part in _PARTS.items() if name != "records"}

_RESOLUTION: Final = [field.name for field in fields(DoubtRecord)].index("resolution")


class PostgresDoubts(Statements):
    """`DoubtReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def open(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """See `DoubtReader.open`."""
        return await self._page("open", after, limit)

    async def closed(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """See `DoubtReader.closed`."""
        return await self._page("closed", after, limit)

    async def doubt(self, order_id: UUID) -> DoubtRecord | None:
        """See `DoubtReader.doubt`."""
        rows = await self._rows("of_order", order_id=order_id)
        return _record(*rows[0]) if rows else None

    async def _page(self, which: str, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        position = {"at": None, "order_id": None} if after is None else asdict(after)
        return [_record(*row) for row in await self._rows(which, limit=limit, **position)]


def _record(*row: Any) -> DoubtRecord:
    values = list(row)
    if values[_RESOLUTION] is not None:
        values[_RESOLUTION] = Closing(values[_RESOLUTION])
    return DoubtRecord(*values)
