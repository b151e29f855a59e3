"""Hints that something of a user has changed, so that waiting callers need not poll often."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID


class Changes(Protocol):
    """One watcher's view of one user's changes."""

    async def next(self, timeout_s: float) -> bool:
        """Wait for the next change; False when the time passed without one. Every change since the last call counts."""


class Wakeups(Protocol):
    """Hints between processes. One may be lost or come twice: a waiting caller reads the facts, and polls too."""

    def watch(self, user_id: UUID) -> AbstractAsyncContextManager[Changes]:
        """Watch a user from the moment the context is entered; read the facts only after that. Never raises."""

    async def changed(self, user_ids: Collection[UUID]) -> None:
        """Wake everybody who watches these users. Raises UnavailableError when hints cannot be sent."""
