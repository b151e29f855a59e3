"""Orders in doubt, and the one decision that staff take."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.doubts import DOUBTS, DoubtPage, DoubtsQuery, ResolveDoubt
from shared.contracts.routes import doubts as routes
from shared.ports.doubts import DoubtPosition


@endpoint(routes.LIST_DOUBTS)
async def list_doubts(call: Call[None, DoubtsQuery]) -> Reply:
    """One page of orders in doubt, oldest first."""
    after = DOUBTS.read(call.query.cursor, DoubtPosition)
    doubts, end = await call.app.doubts.page(after, call.query.limit)
    next_cursor = end and DOUBTS.write(end.since, end.order_id)
    return Reply(DoubtPage(items=list(doubts), next_cursor=next_cursor))


@endpoint(routes.RESOLVE_DOUBT)
async def resolve_doubt(call: Call[ResolveDoubt]) -> Reply:
    """Close one order in doubt; the same key gets the same bytes again."""
    assert call.idempotency_key is not None, "the route's row requires a key"
    answered = await call.app.doubts.resolve(
        call.actor.user_id, call.id("order_id"), call.body, call.idempotency_key, call.sagas
    )
    headers = {"Idempotency-Replayed": "true"} if answered.replayed else {}
    return Reply(answered.body, answered.status, headers)


blueprint = blueprint_of(list_doubts, resolve_doubt)
