"""A client's portfolio, from PostgreSQL: one statement, so one snapshot."""

from typing import Any
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.domain.lots import Standing
from shared.domain.orders.terms import Product
from shared.domain.portfolios import DayPosition, Holding
from shared.domain.positions import Turnover
from shared.ports.portfolios import PortfolioRecord

_SQL = load("portfolios.sql")


class PostgresPortfolios(Statements):
    """`PortfolioReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        """See `PortfolioReader.portfolio`."""
        ((trade_date, holdings, positions),) = await self._rows("portfolio", user_id=user_id)
        return PortfolioRecord(
            trade_date,
            [_holding(row) for row in holdings],
            [
                DayPosition(instrument_id, Product(product), Turnover(*sums))
                for instrument_id, product, *sums in positions
            ],
        )


def _holding(row: list[Any]) -> Holding:
    security_id, settled, held, unsettled, *standing = row
    return Holding(security_id, settled, held, unsettled, Standing(*standing))
