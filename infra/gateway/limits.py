"""The app's limits of calls, by route."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from shared.contracts.routes.route import LimitedBy, Route


@cache
def _limits() -> dict[str, Any]:
    path = Path(__file__).parent.parent.parent / "shared" / "data" / "rate_limits.json"
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def call_limit(route: Route[Any, Any]) -> int | None:
    """Calls of a user in a minute, by shared/data/rate_limits.json; None where calls are not counted."""
    if route.limited_by is LimitedBy.NOBODY:
        return None
    limit = _limits()["requests_per_minute"].get(route.limit_name, _limits()["default_requests_per_minute"])
    return int(limit)
