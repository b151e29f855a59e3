"""Bounded exponential waiting between attempts."""

import asyncio
import random

_FIRST_S = 0.05
_LONGEST_S = 2.0


class Backoff:
    """Waits 50 ms, then twice as long each time up to 2 s, with jitter so that clients spread out."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    def reset(self) -> None:
        """Start over after a success."""
        self._next_s = _FIRST_S

    async def wait(self) -> None:
        """Wait before the next attempt."""
        await asyncio.sleep(self._next_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        self._next_s = min(self._next_s * 2, _LONGEST_S)
