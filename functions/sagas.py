"""Sagas: what every step did to every order."""

from functions.edge.cursors import as_id, read_position
from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.common import write_cursor
from shared.contracts.routes import sagas as routes
from shared.contracts.sagas import SagaPage, SagasQuery
from shared.ports.sagas import SagaState


@endpoint(routes.LIST_SAGAS)
async def list_sagas(call: Call[None, SagasQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    state = None if query.state is None else SagaState(query.state)
    before = read_position(query.cursor, as_id)
    sagas, end = await call.app.sagas.page(state, query.order_id, before, query.limit)
    return Reply(SagaPage(items=list(sagas), next_cursor=None if end is None else write_cursor([str(end)])))


@endpoint(routes.GET_SAGA)
async def get_saga(call: Call) -> Reply:
    """One saga with steps, holds and ledger lines per order."""
    return Reply(await call.app.sagas.get(call.id("saga_id")))


blueprint = blueprint_of(list_sagas, get_saga)
