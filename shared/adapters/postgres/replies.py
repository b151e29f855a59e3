"""Answers kept for their replay, in PostgreSQL."""

from dataclasses import asdict
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.replies import StoredReply

_SQL = load("replies.sql")


class PostgresReplies(Statements):
    """`Replies` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def reply(self, user_id: UUID, key: str) -> StoredReply | None:
        """See `Replies.reply`."""
        rows = await self._rows("reply", user_id=user_id, key=key)
        return StoredReply(bytes(rows[0][0]), rows[0][1], rows[0][2]) if rows else None

    async def store_reply(self, user_id: UUID, key: str, reply: StoredReply) -> StoredReply:
        """See `Replies.store_reply`."""
        await self._run("store_reply", user_id=user_id, key=key, **asdict(reply))
        return await self.reply(user_id, key) or reply
