"""A client's trades, from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.domain.orders.terms import Side
from shared.ports.trades import TradeFilter, TradePosition, TradeRecord

_SQL = load("trades.sql")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class PostgresTrades(Statements):
    """`TradeReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def trades(
        self, user_id: UUID, wanted: TradeFilter, after: TradePosition | None, limit: int
    ) -> Sequence[TradeRecord]:
        """See `TradeReader.trades`."""
        statement = "trades" if wanted.instrument_id is None else "trades_of_instrument"
        bounds = {"from_date": wanted.from_date or date.min} | asdict(_before(wanted.to_date or date.max, after))
        values = {"user_id": user_id, "instrument_id": wanted.instrument_id, "limit": limit} | bounds
        return [_record(*row) for row in await self._rows(statement, **values)]


def _record(*row: Any) -> TradeRecord:
    user_id, order_id, venue, trade_date, exec_id, instrument_id, side, *amounts = row
    return TradeRecord(user_id, order_id, venue, trade_date, exec_id, instrument_id, Side(side), *amounts)


def _before(to_date: date, after: TradePosition | None) -> TradePosition:
    """What the trades to list come before."""
    if after is not None and after.trade_date <= to_date:
        return after
    return TradePosition(_NEVER, "", "", to_date + timedelta(days=1) if to_date < date.max else date.max)
