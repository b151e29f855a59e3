"""Whether PostgreSQL takes writes, and whether orders move."""

from datetime import timedelta
from typing import Final

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.ports.health import Progress

_SQL: Final = load("health.sql")
_NO_WAIT: Final = timedelta(0)


class PostgresProgress(Statements):
    """`ProgressReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def progress(self) -> Progress:
        """See `ProgressReader.progress`."""
        ((waiting, since_sweep),) = await self._rows("progress")
        return Progress(waiting if waiting is not None and waiting > _NO_WAIT else None, since_sweep)

    async def write(self) -> None:
        """One commit on disk. Raises UnavailableError when PostgreSQL is unavailable or has no room."""
        await self._rows("write")
