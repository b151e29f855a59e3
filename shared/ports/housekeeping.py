"""What is kept for how long, and the storage that must exist before it is needed."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol


class Housekeeping(Protocol):
    """Every call may be repeated, by several processes at once. Raises UnavailableError."""

    async def prepare(self, now: datetime, trade_date: date) -> Sequence[str]:
        """Make the partitions of the present and of what comes; names of those made now."""

    async def drop_expired(self, now: datetime) -> Sequence[str]:
        """Drop the partitions whose rows are all past their retention; their names."""

    async def forget(self, most: int) -> int:
        """Remove single rows past their retention, at most `most`; how many."""


class FinishedSagas(Protocol):
    """The orchestration engine's records of sagas that have finished."""

    async def purge(self, since: datetime, until: datetime) -> int:
        """Remove those that were started from `since` to `until`; how many. Raises UnavailableError."""
