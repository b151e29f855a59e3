"""Order sagas."""

from typing import Final

from shared.contracts.routes.route import STAFF, Route
from shared.contracts.sagas import SagaDetailView, SagaPage, SagasQuery

LIST_SAGAS: Final = Route[None, SagasQuery](
    "list_sagas",
    "GET",
    "operations/sagas",
    "Order sagas, newest first",
    {200: SagaPage},
    query=SagasQuery,
    roles=STAFF,
)
GET_SAGA: Final = Route[None, None](
    "get_saga",
    "GET",
    "operations/sagas/{saga_id}",
    "One saga: steps, attempts, outcomes and compensations per order, with the ledger lines",
    {200: SagaDetailView},
    roles=STAFF,
    errors=(404,),
)

ROUTES: Final = (
    LIST_SAGAS,
    GET_SAGA,
)
