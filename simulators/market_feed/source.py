"""Where a feed's updates come from: the exchange, or a day that is replayed."""

import asyncio
from typing import Protocol


class Source(Protocol):
    """Gives a publisher updates; `epoch` is the one that it is in, `begun` is set with the first."""

    epoch: int
    begun: asyncio.Event

    async def run(self) -> None:
        """Publish until cancelled, or until the end."""

    def restart(self) -> None:
        """Begin the next epoch."""
