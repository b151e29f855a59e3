"""What waits in tables and on the bus."""

from collections.abc import Sequence

from shared.adapters.postgres.backlog import PostgresBacklog
from shared.application.backlog import Backlog
from shared.domain.errors import UnavailableError
from shared.ports.backlog import DeadLetter, QueueFigures
from tests.support.busy import BusyBroker


class _NoBus:
    async def figures(self) -> Sequence[QueueFigures]:
        raise UnavailableError("The bus does not answer", retry_after_s=5)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return []


async def test_backlog_counts_what_waits(busy: BusyBroker) -> None:
    backlog = await Backlog(PostgresBacklog(busy.database), _NoBus()).get()
    waiting = {table.name: table.waiting for table in backlog.tables}
    assert (waiting["dispatch_queue"], waiting["sagas_in_flight"], waiting["in_doubt"]) == (1, 1, 1)
    assert (backlog.bus, backlog.queues) == ("DOWN", [])
