"""Rate limits: the table of limits applied to a counter."""

import math
from uuid import UUID

from shared.domain.errors import RateLimitedError
from shared.domain.rate_limits import RateLimitTable
from shared.ports.rate_limits import WINDOW_S, RateLimit, RequestCounter


class RateLimits:
    """`RateLimiter`: so many calls per user, route and sliding minute as the table says."""

    def __init__(self, counter: RequestCounter, table: RateLimitTable) -> None:
        self._counter = counter
        self._table = table

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        """See `RateLimiter.spend`."""
        return await self._count(f"{user_id}:{route}", self._table.limit(route), "calls")

    async def refused(self, user_id: UUID) -> None:
        """See `RateLimiter.refused`."""
        await self._count(f"{user_id}:refused", self._table.refused, "refused calls")

    async def _count(self, key: str, limit: int, what: str) -> RateLimit:
        count = await self._counter.count(key, limit)
        # Clocks of instances differ, and sums of floats are off by a hair: never more than the window.
        reset_s = min(WINDOW_S, max(1, math.ceil(count.reset_s)))
        if not count.allowed:
            raise RateLimitedError(
                f"The limit of {limit} {what} a minute is used up: try again in {reset_s} s",
                retry_after_s=reset_s,
                details={"limit": limit, "window_s": WINDOW_S},
            )
        return RateLimit(limit, count.remaining, reset_s)
