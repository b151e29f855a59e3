"""Where a feed's updates come from: the exchange, or a day that is replayed."""

import asyncio
from typing import Protocol


class Source(Protocol):
    """Gives a publisher updates; `begun` is set with the first."""

    begun: asyncio.Event

    @property
    def epoch(self) -> int:
        """The one that it is in."""

    async def run(self) -> None:
        """Publish until cancelled, or until the end."""

    def restart(self) -> None:
        """Begin the next epoch."""
