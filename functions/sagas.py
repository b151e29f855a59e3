"""Sagas: what every step did to every order."""

from uuid import UUID

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.routes import sagas as routes
from shared.contracts.sagas import SAGAS, SagaPage, SagasQuery


@endpoint(routes.LIST_SAGAS)
async def list_sagas(call: Call[None, SagasQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    before = SAGAS.read(query.cursor, _position)
    sagas, end = await call.app.sagas.page(query.state, query.order_id, before, query.limit)
    return Reply(SagaPage(items=list(sagas), next_cursor=end and SAGAS.write(end)))


@endpoint(routes.GET_SAGA)
async def get_saga(call: Call) -> Reply:
    """One saga with steps, holds and ledger lines per order."""
    return Reply(await call.app.sagas.get(call.id("saga_id")))


def _position(saga_id: UUID) -> UUID:
    return saga_id


blueprint = blueprint_of(list_sagas, get_saga)
