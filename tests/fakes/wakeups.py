"""Wake-ups within this process: what is published wakes the watchers of its users."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from shared.domain.errors import UnavailableError
from shared.ports.outbox import PublishedEffect


class MemoryChanges:
    """`Changes` of one watcher."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def next(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True


@dataclass
class MemoryWakeups:
    """`Wakeups`, and the `Audience` of effects, as in production."""

    away: bool = False
    watches: dict[UUID, list[MemoryChanges]] = field(default_factory=lambda: defaultdict(list))

    @asynccontextmanager
    async def watch(self, user_id: UUID) -> AsyncIterator[MemoryChanges]:
        watch = MemoryChanges()
        self.watches[user_id].append(watch)
        try:
            yield watch
        finally:
            self.watches[user_id].remove(watch)

    async def changed(self, user_ids: Collection[UUID]) -> None:
        if self.away:
            raise UnavailableError("Wake-ups are not available", retry_after_s=1)
        for user_id in user_ids:
            for watch in self.watches[user_id]:
                watch.changed.set()

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        await self.changed({effect.user_id for effect in effects})
