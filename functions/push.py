"""Push: letting SignalR clients in, and what their connections are subscribed to."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.push import NegotiateQuery
from shared.contracts.routes import push as routes
from shared.contracts.subscriptions import Subscribe, Unsubscribe


@endpoint(routes.NEGOTIATE)
async def negotiate(call: Call[None, NegotiateQuery]) -> Reply:
    """Access to a hub for the caller, as the access token names it."""
    return Reply(await call.app.push.negotiate(call.query.hub, call.actor))


@endpoint(routes.SUBSCRIBE)
async def subscribe(call: Call[Subscribe]) -> Reply:
    """Everything that the connection wants, for one lease."""
    body = call.body
    subscribed = call.app.subscriptions.subscribe(
        call.user_id, body.connection_id, body.instruments, body.shards, background=body.background
    )
    return Reply(await subscribed)


@endpoint(routes.UNSUBSCRIBE)
async def unsubscribe(call: Call[Unsubscribe]) -> Reply:
    """What the connection wants no longer."""
    body = call.body
    return Reply(
        await call.app.subscriptions.unsubscribe(call.user_id, body.connection_id, body.instruments, body.shards)
    )


blueprint = blueprint_of(negotiate, subscribe, unsubscribe)
