"""Rate limits: the dated limits table applied to a counter."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from shared.domain.errors import RateLimitedError
from shared.domain.orders.risk import LimitsBook
from shared.ports.rate_limits import WINDOW_S, RateLimit, RequestCounter

_INDIA = timedelta(hours=5, minutes=30)


def india_today() -> date:
    """India's date, by which dated limits hold; India has one time zone and no summer time."""
    return (datetime.now(UTC) + _INDIA).date()


class RateLimits:
    """`RateLimiter`: so many calls per user, route and sliding minute as the limits table says today."""

    def __init__(self, counter: RequestCounter, limits: LimitsBook, today: Callable[[], date] = india_today) -> None:
        self._counter = counter
        self._limits = limits
        self._today = today

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        """See `RateLimiter.spend`."""
        limit = self._limits.for_date(self._today()).rate_limit(route)
        count = await self._counter.count(f"{user_id}:{route}", limit)
        # Clocks of instances differ, and sums of floats are off by a hair: never more than the window.
        reset_s = min(WINDOW_S, max(1, math.ceil(count.reset_s)))
        if not count.allowed:
            raise RateLimitedError(
                f"The limit of {limit} calls a minute is used up: try again in {reset_s} s",
                retry_after_s=reset_s,
                details={"limit": limit, "window_s": WINDOW_S},
            )
        return RateLimit(limit, count.remaining, reset_s)
