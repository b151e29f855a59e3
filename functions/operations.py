"""Operations: what staff see of sagas, doubts, ledger, venue and queues, and the one decision they take."""

from functions.cursors import as_id, as_instant, read_position
from functions.edge import Call, blueprint_of, endpoint
from functions.responses import Reply
from shared.contracts import routes
from shared.contracts.common import PageQuery, write_cursor
from shared.contracts.operations import DoubtPage, ReconciliationQuery, ResolveDoubt, SagaPage, SagasQuery
from shared.domain.published import wire_time
from shared.ports.operations import DoubtPosition, SagaState


@endpoint(routes.LIST_SAGAS)
async def list_sagas(call: Call[None, SagasQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    state = None if query.state is None else SagaState(query.state)
    before = read_position(query.cursor, as_id)
    sagas, end = await call.app.operations.sagas(state, query.order_id, before, query.limit)
    return Reply(SagaPage(items=list(sagas), next_cursor=None if end is None else write_cursor([str(end)])))


@endpoint(routes.GET_SAGA)
async def get_saga(call: Call) -> Reply:
    """One saga with steps, holds and ledger lines per order."""
    return Reply(await call.app.operations.saga(call.id("saga_id")))


@endpoint(routes.LIST_DOUBTS)
async def list_doubts(call: Call[None, PageQuery]) -> Reply:
    """One page of orders in doubt, oldest first."""
    after = read_position(call.query.cursor, _doubt_position)
    doubts, end = await call.app.operations.doubts(after, call.query.limit)
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


@endpoint(routes.GET_TRIAL_BALANCE)
async def get_trial_balance(call: Call) -> Reply:
    """Every account's exact sum, per asset."""
    return Reply(await call.app.operations.trial_balance())


@endpoint(routes.RECONCILE_VENUE)
async def reconcile_venue(call: Call[None, ReconciliationQuery]) -> Reply:
    """The venue's session against ours."""
    return Reply(await call.app.reconciliation.run(call.query.venue, call.query.trade_date))


@endpoint(routes.GET_BACKLOG)
async def get_backlog(call: Call) -> Reply:
    """What waits in tables and queues, dead letters and parked reports."""
    return Reply(await call.app.operations.backlogs())


def _doubt_position(since: object, order_id: object) -> DoubtPosition:
    return DoubtPosition(as_instant(since), as_id(order_id))


blueprint = blueprint_of(
    list_sagas, get_saga, list_doubts, resolve_doubt, get_trial_balance, reconcile_venue, get_backlog
)
