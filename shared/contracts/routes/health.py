"""Health."""

from typing import Final

from shared.contracts.health import HealthView
from shared.contracts.routes.route import LimitedBy, Route

GET_HEALTH: Final = Route[None, None](
    "get_health",
    "GET",
    "health",
    "The state of each dependency; 503 when orders can't be taken",
    {200: HealthView, 503: HealthView},
    public=True,
    limited_by=LimitedBy.NOBODY,
)

ROUTES: Final = (GET_HEALTH,)
