"""Copies of portfolios in memory."""

from dataclasses import dataclass, field

from shared.ports.portfolios import PortfolioKey, PortfolioRecord


@dataclass
class MemoryPortfolios:
    """`PortfolioCache`."""

    copies: dict[PortfolioKey, PortfolioRecord] = field(default_factory=dict)

    async def get(self, key: PortfolioKey) -> PortfolioRecord | None:
        return self.copies.get(key)

    async def put(self, key: PortfolioKey, record: PortfolioRecord) -> None:
        self.copies[key] = record
