"""Sagas' membership and progress, and the outboxes, in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor
from uuid_utils.compat import uuid7

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.domain.books import Effect, OrderKey
from shared.ports.books import ExchangeMessage

_SQL = load("sagas.sql")


class _Statements:
    """Runs one named statement in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _rows(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            return await (await connection.execute(_SQL[name], parameters)).fetchall()

    async def _run(self, name: str, **parameters: Any) -> int:
        async def transaction() -> int:
            async with self._database.connection() as connection:
                cursor: AsyncCursor[Any] = await connection.execute(_SQL[name], parameters)
                return cursor.rowcount

        return await self._database.retrying(transaction)

    async def _mark(self, name: str, **parameters: Any) -> None:
        """Run a statement whose loss in a crash is harmless: its commit does not wait for the disk."""

        async def transaction() -> None:
            async with self._database.connection() as connection, connection.pipeline():
                await connection.execute("SET LOCAL synchronous_commit TO off")
                await connection.execute(_SQL[name], parameters)

        await self._database.retrying(transaction)


class PostgresSagaRecords(_Statements):
    """`SagaRecords` on PostgreSQL."""

    async def claim(self, most_sagas: int, most_orders: int, deadline: datetime) -> UUID | None:
        """See `SagaRecords.claim`."""
        saga_id = uuid7()
        claimed = await self._run(
            "claim", saga_id=saga_id, most_sagas=most_sagas, most_orders=most_orders, deadline=deadline
        )
        return saga_id if claimed else None

    async def members(self, saga_id: UUID) -> list[OrderKey]:
        """See `SagaRecords.members`."""
        return [(user_id, order_id) for user_id, order_id in await self._rows("members", saga_id=saga_id)]

    async def unanswered(self, saga_id: UUID) -> int:
        """See `SagaRecords.unanswered`."""
        rows = await self._rows("unanswered", saga_id=saga_id)
        return int(rows[0][0]) if rows else 0

    async def confirm(self, saga_id: UUID) -> tuple[int, list[OrderKey]]:
        """See `SagaRecords.confirm`."""
        rows = await self._rows("confirm", saga_id=saga_id)
        return rows[0][0], [(user_id, order_id) for _, user_id, order_id in rows if order_id is not None]

    async def finish(self, saga_id: UUID) -> None:
        """See `SagaRecords.finish`."""
        await self._run("finish", saga_id=saga_id)

    async def overdue_sagas(self) -> list[UUID]:
        """See `SagaRecords.overdue_sagas`."""
        return [saga_id for (saga_id,) in await self._rows("overdue_sagas")]

    async def unsent_signals(self, older_than: timedelta) -> list[UUID]:
        """See `SagaRecords.unsent_signals`."""
        return [saga_id for (saga_id,) in await self._rows("unsent_signals", older_than=older_than)]

    async def signals_sent(self, saga_ids: Collection[UUID]) -> None:
        """See `SagaRecords.signals_sent`."""
        await self._mark("signals_sent", ids=sorted(saga_ids))

    async def overdue_orders(self, most: int) -> list[OrderKey]:
        """See `SagaRecords.overdue_orders`."""
        return [(user_id, order_id) for user_id, order_id in await self._rows("overdue_orders", most=most)]


class PostgresOutbox(_Statements):
    """`Outbox` on PostgreSQL."""

    async def unsent_messages(self, older_than: timedelta, most: int) -> list[ExchangeMessage]:
        """See `Outbox.unsent_messages`."""
        rows = await self._rows("unsent_messages", older_than=older_than, most=most)
        return [ExchangeMessage(*row) for row in rows]

    async def messages_sent(self, message_ids: Collection[UUID]) -> None:
        """See `Outbox.messages_sent`."""
        await self._mark("messages_sent", ids=sorted(message_ids))

    async def unsent_effects(self, older_than: timedelta, most: int) -> tuple[set[UUID], list[Effect]]:
        """See `Outbox.unsent_effects`."""
        rows = await self._rows("unsent_effects", older_than=older_than, most=most)
        effects = sorted((Effect(*row[1:]) for row in rows), key=lambda effect: (effect.user_id, effect.sequence))
        return {row[0] for row in rows}, effects

    async def effects_sent(self, commits: Collection[UUID]) -> None:
        """See `Outbox.effects_sent`."""
        await self._mark("effects_sent", ids=sorted(commits))
