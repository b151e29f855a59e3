"""How long each owner of an order may take before somebody asks; settings, in seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.orders.events import Deadlines
from shared.domain.sessions import MarketTime


@dataclass(frozen=True, slots=True)
class Timing:
    """With `answer` after `expire_after`, the first status answer already decides."""

    saga: timedelta = timedelta(seconds=30)
    answer: timedelta = timedelta(seconds=6)
    expire_after: timedelta = timedelta(seconds=5)
    cancel: timedelta = timedelta(seconds=10)
    gap: timedelta = timedelta(seconds=3)
    recovery: timedelta = timedelta(seconds=60)
    doubt: timedelta = timedelta(days=1)
    after_session: timedelta = timedelta(seconds=60)


def venue_deadlines(timing: Timing, market: MarketTime, at: datetime) -> Deadlines:
    """Deadlines of an order that is at the exchange at that instant."""
    session_end = market.ours(market.session_end(market.trade_date(at)))
    return Deadlines(venue=session_end + timing.after_session, gap=at + timing.gap)
