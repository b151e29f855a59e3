"""How long each owner of an order may take before the exchange is asked; settings, in seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.orders.events import Deadlines
from shared.domain.sessions import SegmentTime


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each step may take.

    `answer` must be longer than `expire_after`: then the first status answer after silence comes when the venue can no
    longer accept the order, and decides. Raises ValueError otherwise.
    """

    saga: timedelta = timedelta(seconds=30)
    answer: timedelta = timedelta(seconds=6)
    expire_after: timedelta = timedelta(seconds=5)
    cancel: timedelta = timedelta(seconds=10)
    gap: timedelta = timedelta(seconds=3)
    recovery: timedelta = timedelta(seconds=60)
    doubt: timedelta = timedelta(days=1)
    after_session: timedelta = timedelta(seconds=60)
    settled: timedelta = timedelta(seconds=8)
    """How old a report of the exchange is before we miss it: younger ones are on their way."""

    def __post_init__(self) -> None:
        if self.answer <= self.expire_after:
            raise ValueError(f"answer ({self.answer}) must be longer than expire_after ({self.expire_after})")


def venue_deadlines(timing: Timing, market: SegmentTime, at: datetime) -> Deadlines:
    """Deadlines of an order that is at the exchange at that instant, in the segment whose time is given."""
    session_end = market.ours(market.session_end(market.trade_date(at)))
    return Deadlines(venue=session_end + timing.after_session, gap=at + timing.gap)
