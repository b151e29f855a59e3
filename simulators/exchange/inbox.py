"""What waits to be journaled: deliveries from the bus, taken together (natural batching)."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message: completed, or dead-lettered with the `error` in it."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message of `exchange-requests`; `settled` gets its verdict once its entries are journaled."""

    message_id: str
    body: bytes
    settled: "asyncio.Future[Verdict]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, verdict: Verdict) -> None:
        """Give the waiting lane its verdict, unless it no longer waits."""
        if not self.settled.done():
            self.settled.set_result(verdict)


class Transport(Protocol):
    """The two queues. Both methods retry while the bus is away and end only by cancellation."""

    async def receive(self, inbox: "Inbox") -> None:
        """Put every request message into the inbox and settle it by its verdict, lane by lane in order."""

    async def send(self, messages: list[bytes]) -> None:
        """Return once the bus has accepted every message for `execution-reports`, in this order."""


class Inbox:
    """Bounded by its lanes: each has one delivery in here at most."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._signal = asyncio.Event()
        self._paused = False

    def put(self, delivery: Delivery) -> None:
        """Add a delivery; its lane adds no other before this one has its verdict."""
        self._waiting.append(delivery)
        if not self._paused:
            self._signal.set()

    def pause(self, paused: bool) -> None:
        """Hold deliveries back, or give them out again."""
        self._paused = paused
        self._signal.set()

    def wake(self) -> None:
        """Make `take` return although no delivery has arrived: something else is due."""
        self._signal.set()

    async def take(self, timeout_s: float | None, limit: int = 64) -> list[Delivery]:
        """Everything that waits, up to `limit`; an empty list when woken or when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._signal.wait()
        except TimeoutError:
            return []
        ready = 0 if self._paused else min(limit, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(ready)]
        if self._paused or not self._waiting:
            self._signal.clear()
        return taken
