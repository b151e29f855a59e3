"""Which users have clients connected, as far as this side knows: the service reports no lost connection here.

What is remembered is a hint with an end: whoever negotiates is present for a while, whom the service was asked about is
what it answered for a while, and of everybody else nothing is known.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker, Client

_PREFIX: Final = "clients:"
_PRESENT_S: Final = 600
_ABSENT_S: Final = 900
"""Longer: an arrival is noted before it can connect, so an absence is wrong only if Redis was unavailable then. By
`X-Stream-Sequence` that client finds what it was not sent."""


class RedisPresence:
    """Remembers in Redis; while that is unavailable, nothing is known of anybody."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._breaker = Breaker()

    async def arrives(self, user_id: UUID) -> None:
        """A client of the user is about to connect. Must be noted before it can."""
        await self._note(user_id, b"1", _PRESENT_S)

    async def answered(self, user_id: UUID, *, present: bool) -> None:
        """What the service said. An arrival meanwhile counts more than an absence."""
        if present:
            await self._note(user_id, b"1", _PRESENT_S)
        else:
            await self._note(user_id, b"0", _ABSENT_S, unless_known=True)

    async def known(self, user_ids: Sequence[UUID]) -> Mapping[UUID, bool]:
        """Whether each user has clients; who is not among them is not known."""
        if self._breaker.is_open:
            return {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                pipeline = self._redis.pipeline(transaction=False)  # the keys are of many slots
                for user_id in user_ids:
                    pipeline.get(_key(user_id))
                noted = await pipeline.execute()
        except AWAY:
            self._breaker.trip()
            return {}
        return {user: note == b"1" for user, note in zip(user_ids, noted, strict=True) if note is not None}

    async def _note(self, user_id: UUID, note: bytes, end_s: int, *, unless_known: bool = False) -> None:
        if self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._redis.set(_key(user_id), note, ex=end_s, nx=unless_known)
        except AWAY:
            self._breaker.trip()


def _key(user_id: UUID) -> str:
    return f"{_PREFIX}{user_id}"
