"""Health: whether orders can be taken."""

from functions.edge import Call, blueprint_of, endpoint
from functions.responses import Reply
from shared.contracts import routes

_OK, _UNAVAILABLE = 200, 503


@endpoint(routes.GET_HEALTH)
async def get_health(call: Call) -> Reply:
    """200 with the state of each dependency, 503 when orders can't be taken."""
    health = await call.app.health.get()
    return Reply(health, _UNAVAILABLE if health.status == "DOWN" else _OK)


blueprint = blueprint_of(get_health)
