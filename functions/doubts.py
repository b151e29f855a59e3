"""Orders in doubt, and the one decision that staff take."""

from functions.edge.cursors import as_id, as_instant, read_position
from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.common import PageQuery, write_cursor
from shared.contracts.doubts import DoubtPage, ResolveDoubt
from shared.contracts.routes import doubts as routes
from shared.domain.times import wire_time
from shared.ports.doubts import DoubtPosition


@endpoint(routes.LIST_DOUBTS)
async def list_doubts(call: Call[None, PageQuery]) -> Reply:
    """One page of orders in doubt, oldest first."""
    after = read_position(call.query.cursor, _position)
    doubts, end = await call.app.doubts.page(after, call.query.limit)
    next_cursor = None if end is None else write_cursor([wire_time(end.since), str(end.order_id)])
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


def _position(since: object, order_id: object) -> DoubtPosition:
    return DoubtPosition(as_instant(since), as_id(order_id))


blueprint = blueprint_of(list_doubts, resolve_doubt)
