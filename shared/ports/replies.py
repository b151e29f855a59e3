"""Answers of POST calls other than placing an order, kept for their replay."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The answer that was given to a POST, byte for byte; `fingerprint` is of the body it answers."""

    fingerprint: bytes
    status: int
    body: str


class Replies(Protocol):
    """One answer a user and key. Raises UnavailableError."""

    async def reply(self, user_id: UUID, key: str) -> StoredReply | None:
        """The stored answer."""

    async def store_reply(self, user_id: UUID, key: str, reply: StoredReply) -> StoredReply:
        """Store the answer unless there is one; returns the one that is stored."""
