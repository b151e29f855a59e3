"""Wake-ups over Redis' publish and subscribe: one channel a user."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from shared.adapters.redis.channels import Channels, Watch
from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker, Client
from shared.domain.errors import UnavailableError
from shared.ports.outbox import PublishedEffect

_PREFIX: Final = "changed:"
_WAKE: Final = "for _, channel in ipairs(ARGV) do redis.call('PUBLISH', channel, '') end"


class _Changes:
    """`Changes` of one watcher."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def next(self, timeout_s: float) -> bool:
        """See `Changes.next`."""
        return bool(await self._watch.next(timeout_s))


class RedisWakeups:
    """`Wakeups` on Redis, and the `Audience` of effects as long as nothing pushes them to clients."""

    def __init__(self, redis: Client) -> None:
        self._publish = redis.register_script(_WAKE)
        self._breaker = Breaker()
        self._channels = Channels(redis, "requests with Prefer: wait poll the database")

    @asynccontextmanager
    async def watch(self, user_id: UUID) -> AsyncIterator[_Changes]:
        """See `Wakeups.watch`."""
        async with self._channels.watch([_channel(user_id)]) as watch:
            yield _Changes(watch)

    async def changed(self, user_ids: Collection[UUID]) -> None:
        """See `Wakeups.changed`."""
        if self._breaker.is_open:
            raise UnavailableError("Wake-ups are not available", retry_after_s=1)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._publish(args=[_channel(user_id) for user_id in user_ids])
        except AWAY as error:
            self._breaker.trip()
            raise UnavailableError("Wake-ups are not available", retry_after_s=1) from error

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        """See `Audience.publish`: the watchers are woken and read the facts themselves."""
        await self.changed({effect.user_id for effect in effects})

    async def close(self) -> None:
        """Stop listening."""
        await self._channels.close()


def _channel(user_id: UUID) -> str:
    return f"{_PREFIX}{user_id}"
