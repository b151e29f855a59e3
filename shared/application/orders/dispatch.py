"""Dispatch: waiting orders of any process become sagas, a bounded number at a time.

At low load a saga carries one order and starts at once; while sagas before it are at work, orders gather and the next
saga carries many. It runs where sagas run, so that HTTP cannot starve it: intake sends a hint, and dispatches itself
only when nobody can be reached. A saga that has submitted its orders or has ended makes room, and the sweep looks too.
"""

import asyncio
from datetime import UTC, datetime

import structlog

from shared.application.timing import Timing
from shared.domain.errors import UnavailableError
from shared.ports.dispatch_hints import DispatchHints
from shared.ports.order_sagas import OrderSagas, SagaRecords, Slots

_log = structlog.get_logger(__name__)


class Dispatcher:
    """One per process; calls that come while one runs are folded into one more round."""

    def __init__(
        self, records: SagaRecords, hints: DispatchHints, timing: Timing, *, slots: Slots, most_orders: int
    ) -> None:
        self._records = records
        self._hints = hints
        self._timing = timing
        self._slots = slots
        self._most_orders = most_orders
        self._running: asyncio.Task[None] | None = None
        self._again = False
        self._hinting: asyncio.Task[None] | None = None
        self._hint_again = False

    def hint(self, sagas: OrderSagas) -> None:
        """Orders wait: have them dispatched in the background, elsewhere if somebody listens there."""
        self._hint_again = True
        if self._hinting is None or self._hinting.done():
            self._hinting = asyncio.create_task(self._send_hints(sagas))

    async def _send_hints(self, sagas: OrderSagas) -> None:
        while self._hint_again:
            self._hint_again = False
            if not await self._hints.orders_wait():
                self.kick(sagas)

    def listen(self, sagas: OrderSagas) -> None:
        """Dispatch at each hint from now on, on this engine."""
        self._hints.listen(lambda: self.kick(sagas))

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
            saga_id = await self._records.take_waiting(self._slots, self._most_orders, deadline)
            if saga_id is None:
                return
            await sagas.start(saga_id)
            # Fewer than may be taken were all that waited; what has come since has sent its own hint.
            if len(await self._records.members(saga_id)) < self._most_orders:
                return
