"""Dispatch: waiting orders of any process become sagas, a bounded number at a time.

At low load a saga carries one order and starts at once; when all slots are taken, orders gather and the
next saga carries many. Called after an intake commit, at a saga's end and by the sweep.
"""

import asyncio
from datetime import UTC, datetime

import structlog

from shared.application.timing import Timing
from shared.domain.errors import UnavailableError
from shared.ports.order_sagas import OrderSagas, SagaRecords

_log = structlog.get_logger(__name__)


class Dispatcher:
    """One per process; calls that come while one runs are folded into one more round."""

    def __init__(self, records: SagaRecords, timing: Timing, *, most_sagas: int, most_orders: int) -> None:
        self._records = records
        self._timing = timing
        self._most_sagas = most_sagas
        self._most_orders = most_orders
        self._running: asyncio.Task[None] | None = None
        self._again = False

    def kick(self, sagas: OrderSagas) -> None:
        """Dispatch in the background: the caller's answer does not wait for it."""
        self._again = True
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._rounds(sagas))

    async def run(self, sagas: OrderSagas) -> None:
        """Dispatch until nothing waits or every slot is taken."""
        self.kick(sagas)
        if self._running is not None:
            await asyncio.shield(self._running)

    async def _rounds(self, sagas: OrderSagas) -> None:
        while self._again:
            self._again = False
            try:
                await self._take_all(sagas)
            except UnavailableError as error:
                _log.warning("waiting orders could not be dispatched; the sweep tries again", reason=str(error))

    async def _take_all(self, sagas: OrderSagas) -> None:
        while True:
            deadline = datetime.now(UTC) + self._timing.saga
            saga_id = await self._records.take_waiting(self._most_sagas, self._most_orders, deadline)
            if saga_id is None:
                return
            await sagas.start(saga_id)
