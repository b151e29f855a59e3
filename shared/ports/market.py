"""The venue's market time: its clock and its session calendar together."""

from typing import Protocol

from shared.domain.sessions import MarketTime


class Market(Protocol):
    """The only source of market time; session rules read no other clock."""

    async def time(self) -> MarketTime:
        """The market's clock as it runs now. Raises UnavailableError."""
