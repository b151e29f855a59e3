"""How often a user may call: counted per user and route over a sliding minute."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A call that was allowed: the limit per window, what is left of it, and seconds until some of it returns."""

    limit: int
    remaining: int
    reset_s: int


@dataclass(frozen=True, slots=True)
class Count:
    """Whether a call fits into the window, the calls left in it, and seconds until its oldest call leaves it."""

    allowed: bool
    remaining: int
    reset_s: float


class RequestCounter(Protocol):
    """Counts calls exactly over a sliding window."""

    async def count(self, key: str, limit: int) -> Count:
        """Take one of `limit` calls per WINDOW_S. Never raises: without the shared counts it counts in this process."""


class RateLimiter(Protocol):
    """Admits calls."""

    async def spend(self, user_id: UUID, route: str) -> RateLimit:
        """Take one call of the user's limit for the route ("POST /api/orders").

        Raises RateLimitedError with `limit` in its details.
        """

    async def refused(self, user_id: UUID) -> None:
        """Count a call that was refused before it counted for its route. Raises RateLimitedError, as `spend`."""
