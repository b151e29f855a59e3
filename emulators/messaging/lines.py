"""Deliverable messages in order, for a whole sub-queue or for one session."""

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from emulators.messaging.errors import AmqpError
from emulators.messaging.message import Content
from emulators.messaging.records import Message


class Receiver(Protocol):
    """Whom a sub-queue delivers to: a link, or a test."""

    @property
    def peek_lock(self) -> bool:
        """False for receive-and-delete."""

    @property
    def capacity(self) -> int:
        """How many more messages may be assigned to it now."""

    def reserve(self) -> None:
        """One message is assigned and will be delivered or given back."""

    def deliver(self, message: Message, content: Content) -> bool:
        """End one reservation; false when the message could not be sent."""

    def give_back(self) -> None:
        """End one reservation without a message."""

    def close(self, error: AmqpError) -> None:
        """Detach it, because its session is lost."""


class Line:
    """Sequence numbers that may be delivered, smallest first."""

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._members: set[int] = set()

    def __len__(self) -> int:
        return len(self._members)

    def push(self, sequence: int) -> None:
        if sequence not in self._members:
            self._members.add(sequence)
            heapq.heappush(self._heap, sequence)

    def discard(self, sequence: int) -> None:
        """Take it out; the heap forgets it when it comes to the top."""
        self._members.discard(sequence)
        while self._heap and self._heap[0] not in self._members:
            heapq.heappop(self._heap)

    def first(self, limit: int) -> list[int]:
        """The smallest `limit` of them."""
        return heapq.nsmallest(limit, self._members)

    def pop(self) -> int:
        """The smallest. Raises IndexError when there is none."""
        sequence = heapq.heappop(self._heap)
        self.discard(sequence)
        return sequence


@dataclass(slots=True)
class Session:
    """Messages of one session id. `locked` are the sequence numbers delivered under the owner's lock."""

    id: str
    line: Line = field(default_factory=Line)
    owner: Receiver | None = None
    locked_until: float = 0.0
    locked: set[int] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to a receiver, valid while it is locked under `token`."""

    receiver: Receiver
    message: Message
    token: UUID
