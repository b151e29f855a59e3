"""A market whose clock and calendars are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from shared.adapters.reference import load_reference_data
from shared.domain.instruments.instrument import EQUITY
from shared.domain.sessions import DatedHours, MarketTime, SessionCalendar, SessionHours

CONTINUOUS = load_reference_data().calendars["continuous"]


@dataclass
class FixedMarket:
    """`Market` that runs `offset` ahead of our clock."""

    calendars: Mapping[str, SessionCalendar] = field(default_factory=lambda: {EQUITY: CONTINUOUS})
    offset: timedelta = timedelta(0)

    async def time(self) -> MarketTime:
        return MarketTime(self.calendars, self.offset)


_AN_INSTANT = SessionHours(timedelta(0), timedelta(microseconds=1))
CLOSED = FixedMarket(
    {EQUITY: SessionCalendar("closed", (DatedHours(date(2024, 1, 1), _AN_INSTANT, frozenset(range(7))),))}
)
"""A market that is open at midnight for a microsecond."""
