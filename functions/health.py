"""Health: whether orders can be taken."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.health import HealthStatus
from shared.contracts.routes import health as routes

_OK, _UNAVAILABLE = 200, 503
_ASK_AGAIN_S = 1


@endpoint(routes.GET_HEALTH)
async def get_health(call: Call) -> Reply:
    """200 with the state of each dependency, 503 when orders can't be taken."""
    health = await call.app.health.get()
    if health.status is HealthStatus.DOWN:
        return Reply(health, _UNAVAILABLE, {"Retry-After": str(_ASK_AGAIN_S)})
    return Reply(health, _OK)


blueprint = blueprint_of(get_health)
