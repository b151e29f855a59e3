"""Wakes timers at their time: a heap in memory over the table.

Purpose: exact to the loop's clock, with bounded memory: only timers due before the horizon are in memory,
the table keeps the others until the horizon moves.
Rules: the wall clock decides; it is read again at least every half minute, so a clock that is set does
not leave timers asleep. Whether a timer still counts is for the receiver to decide.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

_LONGEST_SLEEP_S = 30.0


@dataclass(frozen=True, slots=True, order=True)
class DueTimer:
    """A timer of one execution; ordered by time."""

    fire_at: datetime
    partition: int = field(compare=False)
    instance_id: str = field(compare=False)
    execution_id: str
    seq: int


class TimerQueue:
    """Calls `fire` with each timer when its time has come."""

    def __init__(self, fire: Callable[[DueTimer], None], now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._fire = fire
        self._now = now
        self._heap: list[DueTimer] = []
        self._changed = asyncio.Event()

    def add(self, timer: DueTimer) -> None:
        """Wait for a timer; one in the past fires at once."""
        heapq.heappush(self._heap, timer)
        if self._heap[0] is timer:
            self._changed.set()

    async def run(self) -> None:
        """Fire timers until cancelled."""
        while True:
            self._changed.clear()
            wait_s = self._fire_due()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _fire_due(self) -> float | None:
        """Fire what is due; seconds to the next one, None if there is none."""
        while self._heap:
            wait_s = (self._heap[0].fire_at - self._now()).total_seconds()
            if wait_s > 0:
                return min(wait_s, _LONGEST_SLEEP_S)
            self._fire(heapq.heappop(self._heap))
        return None
