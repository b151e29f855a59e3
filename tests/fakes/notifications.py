"""Streams of changes in memory."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.ports.notifications import StreamPage
from tests.fakes.memory import Memory


class MemoryStreams:
    """`StreamReader` on `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def current(self, user_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        known = self._memory.sequences
        return {user_id: known[user_id] - 1 for user_id in user_ids if user_id in known}

    async def page(self, user_id: UUID, after: int, limit: int) -> StreamPage:
        effects = [each for each in self._memory.effects.get(user_id, ()) if each.sequence > after]
        return StreamPage(self._memory.sequences.get(user_id, 1) - 1, effects[:limit])
