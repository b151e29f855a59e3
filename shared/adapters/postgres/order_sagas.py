"""Sagas' membership and progress in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.domain.orders.order import OrderKey
from shared.ports.order_sagas import Slots

_SQL = load("order_sagas.sql")
_MOST_KNOWN: Final = 100


class PostgresSagaRecords(Statements):
    """`SagaRecords` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)
        self._members: dict[UUID, list[OrderKey]] = {}

    async def take_waiting(self, slots: Slots, most_orders: int, deadline: datetime) -> UUID | None:
        """See `SagaRecords.take_waiting`."""
        saga_id = uuid7()
        taken = await self._run(
            "take_waiting", saga_id=saga_id, **slots._asdict(), most_orders=most_orders, deadline=deadline
        )
        return saga_id if taken else None

    async def members(self, saga_id: UUID) -> list[OrderKey]:
        """See `SagaRecords.members`. They are written with the saga and never change: its next step knows them."""
        if saga_id not in self._members:
            found = [OrderKey(*row) for row in await self._rows("members", saga_id=saga_id)]
            if not found:
                return []
            self._members[saga_id] = found
            if len(self._members) > _MOST_KNOWN:
                del self._members[next(iter(self._members))]
        return list(self._members[saga_id])

    async def unanswered(self, saga_id: UUID) -> int:
        """See `SagaRecords.unanswered`."""
        rows = await self._rows("unanswered", saga_id=saga_id)
        return int(rows[0][0]) if rows else 0

    async def confirm(self, saga_id: UUID) -> tuple[int, list[OrderKey]]:
        """See `SagaRecords.confirm`."""
        rows = await self._rows("confirm", saga_id=saga_id)
        return rows[0][0], [OrderKey(user_id, order_id) for _, user_id, order_id in rows if order_id is not None]

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

    async def swept(self) -> None:
        """See `SagaRecords.swept`."""
        await self._mark("swept")

    async def overdue_orders(self, most: int) -> list[OrderKey]:
        """See `SagaRecords.overdue_orders`."""
        return [OrderKey(*row) for row in await self._rows("overdue_orders", most=most)]
