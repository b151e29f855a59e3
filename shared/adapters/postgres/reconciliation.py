"""Our side of a reconciliation with a venue, from PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.reconciliation import Execution, LiveOrder

_SQL = load("reconciliation.sql")
_PAGE: Final = 1000
_NO_ORDER: Final = str(UUID(int=0))


class PostgresTradeDay(Statements):
    """`TradeDay` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def executions_by_id(
        self, venue: str, trade_date: date, exec_ids: Collection[str]
    ) -> Mapping[str, Execution]:
        """See `TradeDay.executions_by_id`."""
        rows = await self._rows("executions_by_id", venue=venue, trade_date=trade_date, exec_ids=list(exec_ids))
        return {row[0]: Execution(*row) for row in rows}

    async def executions(self, venue: str, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """See `TradeDay.executions`."""
        after = ""
        while rows := await self._rows("executions", venue=venue, trade_date=trade_date, after=after, limit=_PAGE):
            after = rows[-1][0]
            yield [Execution(*row) for row in rows]

    async def orders(self, order_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """See `TradeDay.orders`."""
        rows = await self._rows("order_states", order_ids=list(order_ids))
        return {row[0]: row[1] for row in rows}

    async def working(self, venue: str) -> AsyncIterator[Sequence[LiveOrder]]:
        """See `TradeDay.working`."""
        after = _NO_ORDER
        while rows := await self._rows("working", venue=venue, after=after, limit=_PAGE):
            after = rows[-1][0]
            yield [LiveOrder(*row) for row in rows]
