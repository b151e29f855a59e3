"""`LanePositions` in PostgreSQL."""

from collections.abc import Mapping, Sequence

import orjson

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.domain.orders.order import OrderKey
from shared.ports.missing_reports import IssuedReports

_SQL = load("missing_reports.sql")


class PostgresLanePositions:
    """Where lanes continue, and which orders lack reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def positions(self) -> Mapping[str, int]:
        """See `LanePositions.positions`."""
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["positions"])).fetchall()
        return dict(rows)

    async def behind(self, issued: Sequence[IssuedReports]) -> Sequence[IssuedReports]:
        """See `LanePositions.behind`."""
        if not issued:
            return []
        rows = [each.key._asdict() | {"last_sequence": each.last_sequence} for each in issued]
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL["behind"], {"issued": orjson.dumps(rows).decode()})
            found = await cursor.fetchall()
        return [IssuedReports(OrderKey(user_id, order_id), newest) for user_id, order_id, newest in found]

    async def move(self, positions: Mapping[str, int]) -> None:
        """See `LanePositions.move`."""
        rows = [{"lane": lane, "position": position} for lane, position in positions.items()]
        async with self._database.connection() as connection:
            await connection.execute(_SQL["move"], {"rows": orjson.dumps(rows).decode()})
