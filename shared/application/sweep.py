"""The sweep: a timer looks for whatever a crash, an outage or a lost message left. All of it is safe to repeat."""

from shared.application.orders.dispatch import Dispatcher
from shared.application.orders.recovery import Recovery
from shared.application.publishing import Publisher
from shared.ports.order_sagas import OrderSagas, SagaRecords

_MOST_ORDERS = 200


class Sweep:
    """Sends what waits in outboxes, dispatches, restarts overdue sagas, asks about overdue orders."""

    def __init__(self, publisher: Publisher, dispatcher: Dispatcher, recovery: Recovery, records: SagaRecords) -> None:
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._recovery = recovery
        self._records = records

    async def run(self, sagas: OrderSagas) -> None:
        """One round. Raises UnavailableError when the database is unavailable."""
        self._dispatcher.listen(sagas)
        await self._publisher.sweep(sagas)
        await self._dispatcher.run(sagas)
        for saga_id in await self._records.overdue_sagas():
            await sagas.start(saga_id)
        for key in await self._records.overdue_orders(_MOST_ORDERS):
            await self._recovery.take_over(key, sagas)
        await self._records.swept()
        # Last: no order waits for clients.
        await self._publisher.sweep_effects()
