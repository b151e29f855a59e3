"""Retention and coming partitions in PostgreSQL."""

from datetime import date

from psycopg import sql

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load

_SQL = load("housekeeping.sql")
_MONTHS_AHEAD = 2
_MONTHS_A_YEAR = 12
_FOUND = "SELECT 1 FROM pg_class WHERE relname = %s"
_PARTITION = "CREATE TABLE {name} PARTITION OF trades FOR VALUES FROM ({first}) TO ({next})"


class PostgresHousekeeping:
    """`Housekeeping` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, most: int) -> dict[str, int]:
        """See `Housekeeping.forget`."""
        removed = {}
        for name, statement in _SQL.items():
            async with self._database.connection() as connection:
                removed[name] = (await connection.execute(statement, {"most": most})).rowcount
        return removed

    async def prepare_months(self, today: date) -> list[str]:
        """See `Housekeeping.prepare_months`. The running month may already have rows in the default partition."""
        made = []
        for ahead in range(1, _MONTHS_AHEAD + 1):
            first, following = _month(today, ahead), _month(today, ahead + 1)
            name = f"trades_{first:%Y_%m}"
            async with self._database.connection() as connection:
                if await (await connection.execute(_FOUND, (name,))).fetchone() is None:
                    await connection.execute(_partition(name, first, following))
                    made.append(name)
        return made


def _month(today: date, ahead: int) -> date:
    months = today.year * _MONTHS_A_YEAR + today.month - 1 + ahead
    return date(months // _MONTHS_A_YEAR, months % _MONTHS_A_YEAR + 1, 1)


def _partition(name: str, first: date, following: date) -> sql.Composed:
    return sql.SQL(_PARTITION).format(
        name=sql.Identifier(name), first=sql.Literal(first.isoformat()), next=sql.Literal(following.isoformat())
    )
