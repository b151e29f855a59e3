"""Streams of changes in PostgreSQL: the effects of the last days."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.effects import published
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.notifications import StoredEffect, StreamPage

_SQL = load("notifications.sql")


class PostgresStreams(Statements):
    """`StreamReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def current(self, user_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """See `StreamReader.current`."""
        return dict(await self._rows("current", users=list(user_ids)))

    async def page(self, user_id: UUID, after: int, limit: int) -> StreamPage:
        """See `StreamReader.page`."""
        async with self._database.connection() as connection:
            asked = {"user_id": user_id, "after": after, "limit": limit}
            rows = await (await connection.execute(_SQL["page"], asked)).fetchall()
            # Facts never change, and what they refer to neither: reading it later shows the same.
            effects = await published(connection, [row[1:] for row in rows if row[2] is not None])
        following = [StoredEffect(*each[1:]) for each in effects if each.sequence > after]
        return StreamPage(rows[0][0] if rows else 0, following[:limit])
