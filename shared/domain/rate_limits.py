"""How often a user may call: requests per sliding minute, by route."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimitTable:
    """Limits per user and minute; routes are written "METHOD /api/path/{parameter}"."""

    by_route: Mapping[str, int]
    default: int
    """For a route that the table does not name."""
    refused: int
    """Calls that are refused before they count for their route, over all routes."""

    def limit(self, route: str) -> int:
        """Requests that a user may make on the route."""
        return self.by_route.get(route, self.default)
