"""What waits."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.routes import backlog as routes


@endpoint(routes.GET_BACKLOG)
async def get_backlog(call: Call) -> Reply:
    """Rows in our tables, queues of the bus, dead letters and parked reports."""
    return Reply(await call.app.backlog.get())


blueprint = blueprint_of(get_backlog)
