"""`ParkedEvents` in PostgreSQL."""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.ports.parked_events import ParkedEvent

_SQL = load("parked_events.sql")
_MOST: Final = 1000
_MOST_BYTES: Final = 65_536
"""Of one body: enough to see what it is."""


class PostgresParkedEvents:
    """The table `parked_market_events`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def park(self, events: Sequence[ParkedEvent]) -> None:
        """See `ParkedEvents.park`."""
        columns = {
            "partitions": [each.event.partition for each in events],
            "offsets": [each.event.offset for each in events],
            "enqueued": [each.event.enqueued_at for each in events],
            "bodies": [each.event.body[:_MOST_BYTES] for each in events],
            "reasons": [each.reason for each in events],
        }
        async with self._database.connection() as connection:
            await connection.execute(_SQL["park"], columns)
            await connection.execute(_SQL["trim"], {"most": _MOST - 1})
