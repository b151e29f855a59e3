"""A user's stream of changes, as it is on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.json_values import Json


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """One change of the stream, with the instant of its commit."""

    sequence: int
    kind: str
    payload: Json
    at: datetime


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Changes in order of sequence, and the sequence of the newest one at that instant, 0 before the first."""

    current: int
    effects: Sequence[StoredEffect]


class StreamReader(Protocol):
    """Reads streams. Raises UnavailableError."""

    async def current(self, user_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """The sequence of each user's newest change; a user that is not known is left out."""

    async def page(self, user_id: UUID, after: int, limit: int) -> StreamPage:
        """At most `limit` changes with a sequence above `after` that are still kept. One snapshot."""
