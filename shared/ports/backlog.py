"""What waits: in our own tables and on the bus."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TableBacklog:
    """Rows that wait in one of our own tables, and since when the oldest does."""

    name: str
    waiting: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A report of the exchange that contradicted the books."""

    parked_no: int
    parked_at: datetime
    reason: str
    order_id: UUID | None
    body: str


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue of the bus; None where the bus does not say."""

    name: str
    active: int | None
    dead_lettered: int | None
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that the bus gave up on, looked at without taking it."""

    queue: str
    sequence_number: int
    message_id: str | None
    enqueued_at: datetime | None
    delivery_count: int
    reason: str | None
    description: str | None


class QueueInspector(Protocol):
    """Looks at the bus without taking anything. Raises UnavailableError."""

    async def figures(self) -> Sequence[QueueFigures]:
        """One entry a queue."""

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """The first dead-lettered messages of every queue."""


class BacklogReader(Protocol):
    """Reads our own tables. Raises UnavailableError."""

    async def tables(self) -> Sequence[TableBacklog]:
        """One entry a table."""

    async def parked(self, limit: int) -> Sequence[ParkedRecord]:
        """The newest parked reports."""
