"""The outboxes in PostgreSQL: messages to the exchange and effects for clients that were not marked as sent."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.effects import published
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.outbox import ExchangeMessage, PublishedEffect

_SQL = load("outbox.sql")


class PostgresOutbox(Statements):
    """`Outbox` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def unsent_messages(self, older_than: timedelta, most: int) -> list[ExchangeMessage]:
        """See `Outbox.unsent_messages`."""
        rows = await self._rows("unsent_messages", older_than=older_than, most=most)
        return [ExchangeMessage(*row) for row in rows]

    async def messages_sent(self, message_ids: Collection[UUID]) -> None:
        """See `Outbox.messages_sent`."""
        await self._mark("messages_sent", ids=sorted(message_ids))

    async def unsent_effects(self, older_than: timedelta, most: int) -> tuple[set[UUID], list[PublishedEffect]]:
        """See `Outbox.unsent_effects`."""
        async with self._database.connection() as connection:
            asked = {"older_than": older_than, "most": most}
            rows = await (await connection.execute(_SQL["unsent_effects"], asked)).fetchall()
            effects = await published(connection, [row[1:] for row in rows])
        return {row[0] for row in rows}, [PublishedEffect(*each[:4]) for each in effects]

    async def effects_sent(self, commits: Collection[UUID]) -> None:
        """See `Outbox.effects_sent`."""
        await self._mark("effects_sent", ids=sorted(commits))
