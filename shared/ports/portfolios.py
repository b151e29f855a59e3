"""Where portfolios are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from shared.domain.portfolios import DayPosition, Holding


@dataclass(frozen=True, slots=True)
class PortfolioRecord:
    """One instant of a client's holdings, by security, and what was traded on `trade_date`, India's market date of that
    instant, by instrument and product."""

    trade_date: date
    holdings: Sequence[Holding]
    positions: Sequence[DayPosition]


class PortfolioReader(Protocol):
    """Reads one client's portfolio."""

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        """Everything at one instant. Raises UnavailableError."""
