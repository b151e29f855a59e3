"""Push: letting SignalR clients in."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.push import NegotiateQuery
from shared.contracts.routes import push as routes


@endpoint(routes.NEGOTIATE)
async def negotiate(call: Call[None, NegotiateQuery]) -> Reply:
    """Access to a hub for the caller, as the access token names it."""
    return Reply(await call.app.push.negotiate(call.query.hub, call.actor))


blueprint = blueprint_of(negotiate)
