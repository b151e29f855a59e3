"""Where portfolios are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from shared.domain.portfolios import Holding


@dataclass(frozen=True, slots=True)
class PortfolioRecord:
    """One instant of a client's holdings, by instrument; `trade_date` is India's market date of that instant."""

    trade_date: date
    holdings: Sequence[Holding]


class PortfolioReader(Protocol):
    """Reads one client's portfolio."""

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        """Everything at one instant. Raises UnavailableError."""
