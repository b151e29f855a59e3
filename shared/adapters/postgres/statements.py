"""Named statements, each in a transaction of its own."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncCursor

from shared.adapters.postgres.database import Database

type Row = tuple[Any, ...]


class Statements:
    """Base of adapters whose calls are single statements; `sql` holds them by name."""

    def __init__(self, database: Database, sql: Mapping[str, str]) -> None:
        self._database = database
        self._sql = sql

    async def _rows(self, name: str, **parameters: Any) -> list[Row]:
        async with self._database.connection() as connection:
            return await (await connection.execute(self._sql[name], parameters)).fetchall()

    async def _run(self, name: str, **parameters: Any) -> int:
        """How many rows it wrote."""

        async def transaction() -> int:
            async with self._database.connection() as connection:
                cursor: AsyncCursor[Any] = await connection.execute(self._sql[name], parameters)
                return cursor.rowcount

        return await self._database.retrying(transaction)

    async def _mark(self, name: str, **parameters: Any) -> None:
        """Run a statement whose loss in a crash is harmless: its commit does not wait for the disk."""

        async def transaction() -> None:
            async with self._database.transaction() as connection:
                await connection.execute("SET LOCAL synchronous_commit TO off")
                await connection.execute(self._sql[name], parameters)

        await self._database.retrying(transaction)
