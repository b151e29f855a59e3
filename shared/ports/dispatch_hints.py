"""Hints between processes that orders wait for a saga, so that none needs to poll."""

from collections.abc import Callable
from typing import Protocol


class DispatchHints(Protocol):
    """Hints may be lost: what nobody dispatched, the sweep does."""

    async def orders_wait(self) -> bool:
        """Wake the dispatchers that listen; False when none can be reached. Never raises."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` at each hint, and when some may have been missed. Called again, it replaces `wake`."""
