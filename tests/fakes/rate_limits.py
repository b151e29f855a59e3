"""A limiter that lets so many calls through."""

from dataclasses import dataclass, field
from uuid import UUID

from shared.domain.errors import RateLimitedError
from shared.ports.rate_limits import RateLimit


@dataclass
class CountingLimiter:
    """`RateLimiter` of `limit` calls, of all users and routes together."""

    limit: int = 1_000
    spent: list[tuple[UUID, str]] = field(default_factory=list)

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        if len(self.spent) >= self.limit:
            raise RateLimitedError("The limit is used up", retry_after_s=9, details={"limit": self.limit})
        self.spent.append((user_id, route))
        return RateLimit(self.limit, self.limit - len(self.spent), 60)
