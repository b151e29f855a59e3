"""Refuses requests while earlier ones wait too long for their turn: by how long they wait, not by how many they are.

The wait is the event loop's lag: how much later than due a timer runs, as far as the loop itself was at work. Up to the
bound every request is taken. Above it the share that is taken falls by a fifth at each look, below it the share rises
again, so that the process stays as busy as it can be without a queue (additive increase, multiplicative decrease, as in
TCP). A refusal is decided when the head has been read: before the body, before any token, before the worker.
"""

import asyncio
import time

_LOOK_EVERY_S = 0.01
_FALL, _RISE = 0.8, 0.01
_LEAST_SHARE = 0.02


class Admission:
    """Decides over each request; `longest_s` is the wait from which on requests are refused."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._share = 1.0
        self._credit = 0.0
        self._last_s = 0.0

    def take(self) -> bool:
        """Whether the next request is taken."""
        if self._share >= 1.0:
            return True
        self._credit += self._share
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True

    async def watch(self) -> None:
        """Look at the lag, for ever; what other processes have kept the core for is no queue of ours."""
        loop = asyncio.get_running_loop()
        while True:
            due, worked_s = loop.time() + _LOOK_EVERY_S, time.thread_time()
            await asyncio.sleep(_LOOK_EVERY_S)
            self.note(min(loop.time() - due, time.thread_time() - worked_s))

    def note(self, lag_s: float) -> None:
        """Take one look's lag into account; two in a row count, because a single long turn is no queue."""
        least_s, self._last_s = min(self._last_s, lag_s), lag_s
        if least_s > self._longest_s:
            self._share = max(_LEAST_SHARE, self._share * _FALL)
        elif lag_s <= self._longest_s:
            self._share = min(1.0, self._share + _RISE)
