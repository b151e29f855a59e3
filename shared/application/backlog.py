"""What waits, as staff see it: in our own tables and on the bus."""

import asyncio
from collections.abc import Sequence
from typing import Final

from shared.contracts.backlog import (
    BacklogView,
    BusState,
    DeadLetterView,
    ParkedReportView,
    QueueView,
    TableBacklogView,
)
from shared.domain.errors import UnavailableError
from shared.ports.backlog import BacklogReader, DeadLetter, QueueFigures, QueueInspector

_MOST_SHOWN: Final = 50


class Backlog:
    """The use case."""

    def __init__(self, reader: BacklogReader, queues: QueueInspector) -> None:
        self._reader = reader
        self._queues = queues

    async def get(self) -> BacklogView:
        """Everything that waits; an unavailable bus is reported, not raised. Raises UnavailableError."""
        tables = await self._reader.tables()
        parked = await self._reader.parked(_MOST_SHOWN)
        queues, dead_letters = await self._look_at_bus()
        return BacklogView(
            bus=BusState.DOWN if queues is None else BusState.UP,
            tables=[TableBacklogView.of(table) for table in tables],
            queues=[QueueView.of(queue) for queue in queues or ()],
            dead_letters=[DeadLetterView.of(letter) for letter in dead_letters],
            parked_reports=[ParkedReportView.of(report) for report in parked],
        )

    async def _look_at_bus(self) -> tuple[Sequence[QueueFigures] | None, Sequence[DeadLetter]]:
        try:
            figures, dead_letters = await asyncio.gather(self._queues.figures(), self._queues.dead_letters(_MOST_SHOWN))
        except UnavailableError:
            return None, ()
        return figures, dead_letters
