"""Where portfolios are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.portfolios import DayPosition, Holding


@dataclass(frozen=True, slots=True)
class PortfolioRecord:
    """One instant of a client's holdings, by security, and what was traded on `trade_date`, India's market date of that
    instant, by instrument and product."""

    trade_date: date
    holdings: Sequence[Holding]
    positions: Sequence[DayPosition]


class PortfolioKey(NamedTuple):
    """What a copy is of: the user's portfolio as it is since the change with this sequence, on this date."""

    user_id: UUID
    sequence: int
    trade_date: date


class PortfolioReader(Protocol):
    """Reads one client's portfolio."""

    async def portfolio(self, user_id: UUID) -> PortfolioRecord:
        """Everything at one instant. Raises UnavailableError."""


class PortfolioCache(Protocol):
    """Copies of portfolios for all processes. Neither verb raises: without the store there are no copies."""

    async def get(self, key: PortfolioKey) -> PortfolioRecord | None:
        """The copy, if there is one."""

    async def put(self, key: PortfolioKey, record: PortfolioRecord) -> None:
        """Keep a copy for some minutes."""
