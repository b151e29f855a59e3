"""The venue's market time: its clock and the calendars of its segments together."""

from typing import Protocol

from shared.domain.sessions import MarketTime


class Market(Protocol):
    """The only source of market time; session rules read no other clock.

    Whether a segment trades, its trade date and its session's end are pure functions of what `time` returns, so that a
    unit of work can ask for the segment of each of its orders.
    """

    async def time(self) -> MarketTime:
        """The market's clock as it runs now. Raises UnavailableError."""
