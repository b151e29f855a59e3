"""A market whose clock and calendars are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.adapters.reference import load_reference_data
from shared.domain.instruments.instrument import EQUITY
from shared.domain.sessions import MarketTime, SessionCalendar

CONTINUOUS = load_reference_data().calendars["continuous"]


@dataclass
class FixedMarket:
    """`Market` that runs `offset` ahead of our clock."""

    calendars: Mapping[str, SessionCalendar] = field(default_factory=lambda: {EQUITY: CONTINUOUS})
    offset: timedelta = timedelta(0)

    async def time(self) -> MarketTime:
        return MarketTime(self.calendars, self.offset)
