"""What clients read, from PostgreSQL: portfolios, trades, funds. One statement a call, so one snapshot a call."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.domain.ledger.accounts import Account
from shared.domain.lots import Standing
from shared.domain.orders.terms import Product
from shared.domain.portfolios import DayPosition, Holding
from shared.domain.positions import Turnover
from shared.ports.funds import CashHold, FundsRecord, StatementLine, StatementPosition
from shared.ports.portfolios import PortfolioRecord
from shared.ports.trades import TradeFilter, TradePosition, TradeRecord

_SQL = load("reads.sql")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_NO_LINE = {"transfer_no": None, "balance": None}


class PostgresReads:
    """`PortfolioReader`, `TradeReader` and `FundsReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        """See `PortfolioReader.portfolio`."""
        ((trade_date, holdings, positions),) = await self._rows("portfolio", {"user_id": user_id})
        return PortfolioRecord(
            trade_date,
            [_holding(row) for row in holdings],
            [
                DayPosition(instrument_id, Product(product), Turnover(*sums))
                for instrument_id, product, *sums in positions
            ],
        )

    async def trades(
        self, user_id: UUID, wanted: TradeFilter, after: TradePosition | None, limit: int
    ) -> Sequence[TradeRecord]:
        """See `TradeReader.trades`."""
        statement = "trades" if wanted.instrument_id is None else "trades_of_instrument"
        bounds = {"from_date": wanted.from_date or date.min} | asdict(_before(wanted.to_date or date.max, after))
        values = {"user_id": user_id, "instrument_id": wanted.instrument_id, "limit": limit} | bounds
        rows = await self._rows(statement, values)
        return [TradeRecord(*row) for row in rows]

    async def funds(self, user_id: UUID) -> FundsRecord:
        """See `FundsReader.funds`."""
        (row,) = await self._rows("funds", {"user_id": user_id})
        holds = [CashHold(UUID(order_id), *rest) for order_id, *rest in row[-1]]
        values = [*row[:-1], holds]
        return FundsRecord(*values)

    async def statement(
        self, user_id: UUID, account: Account, after: StatementPosition | None, limit: int
    ) -> Sequence[StatementLine]:
        """See `FundsReader.statement`."""
        position = _NO_LINE if after is None else asdict(after)
        rows = await self._rows("statement", {"user_id": user_id, "account": account.value, "limit": limit} | position)
        return [StatementLine(*row) for row in rows]

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL[statement], values)
            return await cursor.fetchall()


def _before(to_date: date, after: TradePosition | None) -> TradePosition:
    """What the trades to list come before."""
    if after is not None and after.trade_date <= to_date:
        return after
    return TradePosition(_NEVER, "", "", to_date + timedelta(days=1) if to_date < date.max else date.max)


def _holding(row: list[Any]) -> Holding:
    security_id, settled, held, unsettled, *standing = row
    return Holding(security_id, settled, held, unsettled, Standing(*standing))
