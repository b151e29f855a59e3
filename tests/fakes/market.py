"""A market whose clock and calendar are given."""

from dataclasses import dataclass
from datetime import timedelta

from shared.adapters.reference import load_reference_data
from shared.domain.sessions import MarketTime, SessionCalendar

CONTINUOUS = load_reference_data().calendars["continuous"]


@dataclass
class FixedMarket:
    """`Market` that runs `offset` ahead of our clock."""

    calendar: SessionCalendar = CONTINUOUS
    offset: timedelta = timedelta(0)

    async def time(self) -> MarketTime:
        return MarketTime(self.calendar, self.offset)
