"""Events of the feed that cannot be used, kept for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event as its hub delivered it; (partition, offset) says which."""

    partition: str
    offset: str
    enqueued_at: datetime | None
    body: bytes


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event and what is wrong with it."""

    event: FeedEvent
    reason: str


class ParkedEvents(Protocol):
    """The newest thousand of them."""

    async def park(self, events: Sequence[ParkedEvent]) -> None:
        """Keep them; one that is kept already stays as it is. Raises UnavailableError."""
