"""Orders in doubt: what is known of them, asking the exchange again, and the decision that closes one."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.application.doubts import Answered
from shared.contracts.doubts import DOUBTS, DoubtPage, DoubtsQuery, DoubtState, ResolveDoubt
from shared.contracts.routes import doubts as routes
from shared.ports.doubts import DoubtPosition


@endpoint(routes.LIST_DOUBTS)
async def list_doubts(call: Call[None, DoubtsQuery]) -> Reply:
    """One page of orders in doubt, or of those that were."""
    query = call.query
    after = DOUBTS.read(query.cursor, DoubtPosition)
    page = call.app.doubts.open if query.state is DoubtState.OPEN else call.app.doubts.closed
    doubts, end = await page(after, query.limit)
    next_cursor = end and DOUBTS.write(end.at, end.order_id)
    return Reply(DoubtPage(items=list(doubts), next_cursor=next_cursor))


@endpoint(routes.GET_DOUBT)
async def get_doubt(call: Call) -> Reply:
    """One of them, with its decision."""
    return Reply(await call.app.doubts.get(call.id("order_id")))


@endpoint(routes.ASK_EXCHANGE_AGAIN)
async def ask_exchange_again(call: Call) -> Reply:
    """202: the questions are on their way."""
    assert call.idempotency_key is not None, "the route's row requires a key"
    asked = await call.app.doubts.ask(call.actor.user_id, call.id("order_id"), call.idempotency_key, call.sagas)
    return _reply(asked)


@endpoint(routes.RESOLVE_DOUBT)
async def resolve_doubt(call: Call[ResolveDoubt]) -> Reply:
    """Close one order in doubt; the same key gets the same bytes again."""
    assert call.idempotency_key is not None, "the route's row requires a key"
    return _reply(
        await call.app.doubts.resolve(
            call.actor.user_id, call.id("order_id"), call.body, call.idempotency_key, call.sagas
        )
    )


def _reply(answered: Answered) -> Reply:
    return Reply(answered.body, answered.status, {"Idempotency-Replayed": "true"} if answered.replayed else {})


blueprint = blueprint_of(list_doubts, get_doubt, ask_exchange_again, resolve_doubt)
