"""Wake-ups over Redis' publish and subscribe: one channel a user, one subscribed connection a process.

A hint may be lost (while subscribing, or while Redis is unavailable), so watchers poll too and only notice later.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import structlog
from redis.asyncio import Redis

from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker
from shared.domain.errors import UnavailableError
from shared.ports.outbox import PublishedEffect

_PREFIX: Final = "changed:"
_RECONNECT_S: Final = 0.5
_TELL: Final = "for _, channel in ipairs(ARGV) do redis.call('PUBLISH', channel, '') end"
_log = structlog.get_logger(__name__)


class _Watch:
    """`Changes` of one watcher."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def next(self, timeout_s: float) -> bool:
        """See `Changes.next`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True


class RedisWakeups:
    """`Wakeups` on Redis, and the `Audience` of effects as long as nothing pushes them to clients."""

    def __init__(self, redis: Redis) -> None:
        self._tell = redis.register_script(_TELL)
        self._breaker = Breaker()
        self._pubsub = redis.pubsub(ignore_subscribe_messages=True)
        self._watches: dict[str, list[_Watch]] = {}
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, user_id: UUID) -> AsyncIterator[_Watch]:
        """See `Wakeups.watch`."""
        channel, watch = _channel(user_id), _Watch()
        watches = self._watches.setdefault(channel, [])
        watches.append(watch)
        if len(watches) == 1:
            await self._change_subscription(channel, subscribe=True)
        try:
            yield watch
        finally:
            watches.remove(watch)
            if not watches:
                del self._watches[channel]
                await self._change_subscription(channel, subscribe=False)

    async def changed(self, user_ids: Collection[UUID]) -> None:
        """See `Wakeups.changed`."""
        if self._breaker.is_open:
            raise UnavailableError("Wake-ups are not available", retry_after_s=1)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._tell(args=[_channel(user_id) for user_id in user_ids])
        except AWAY as error:
            self._breaker.trip()
            raise UnavailableError("Wake-ups are not available", retry_after_s=1) from error

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        """See `Audience.publish`: the watchers are woken and read the facts themselves."""
        await self.changed({effect.user_id for effect in effects})

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _change_subscription(self, channel: str, *, subscribe: bool) -> None:
        """Best effort, and not confirmed: redis-py renews its subscriptions when it reconnects."""
        change = self._pubsub.subscribe if subscribe else self._pubsub.unsubscribe
        if self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await change(channel)
        except AWAY as error:
            self._breaker.trip()
            _log.warning(
                "Redis is unavailable; requests with Prefer: wait poll the database", reason=type(error).__name__
            )
        if subscribe and (self._listener is None or self._listener.done()):
            self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
            except AWAY as error:
                _log.warning(
                    "Redis is unavailable; requests with Prefer: wait poll the database", reason=type(error).__name__
                )
                await asyncio.sleep(_RECONNECT_S)
                continue
            if message is not None:
                await self._wake(message["channel"].decode())

    async def _wake(self, channel: str) -> None:
        watches = self._watches.get(channel)
        if watches is None:
            # Its last watcher left while Redis was unavailable.
            await self._change_subscription(channel, subscribe=False)
            return
        for watch in watches:
            watch.changed.set()


def _channel(user_id: UUID) -> str:
    return f"{_PREFIX}{user_id}"
