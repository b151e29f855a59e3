"""Listening to Redis' channels: one subscribed connection a process, any number of watchers.

A watch begins when Redis has confirmed the subscription, so nothing later is missed. A hint may still be lost while
Redis is unavailable: after a reconnection every watcher is woken, and watchers also look on their own now and then.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

import structlog

from shared.adapters.redis.client import AWAY, PATIENCE_S, Breaker, Client

_RECONNECT_S: Final = 0.5
_CONFIRMED_WITHIN_S: Final = 0.25
_log = structlog.get_logger(__name__)


class Watch:
    """The channels of one watcher that had a message."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._woken = asyncio.Event()

    def wake(self, channel: str) -> None:
        """A message came."""
        self._changed.add(channel)
        self._woken.set()

    async def next(self, timeout_s: float) -> frozenset[str]:
        """The channels with a message since the last call, waited for at most `timeout_s`; empty after that."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return frozenset()
        changed = frozenset(self._changed)
        self._changed.clear()
        self._woken.clear()
        return changed


class Channels:
    """The process's subscriptions. `without` says in the log what happens while Redis is unavailable."""

    def __init__(self, redis: Client, without: str) -> None:
        self._redis = redis
        self._pubsub = redis.pubsub()
        self._without = without
        self._breaker = Breaker()
        self._watches: dict[str, list[Watch]] = {}
        self._confirmed: dict[str, asyncio.Event] = {}
        """Of each channel that Redis was asked for."""
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, channels: Collection[str]) -> AsyncIterator[Watch]:
        """Listen from the moment the context is entered. Never raises."""
        watch = Watch()
        for channel in channels:
            self._watches.setdefault(channel, []).append(watch)
        try:
            await self._subscribe(channels)
            yield watch
        finally:
            for channel in channels:
                self._watches[channel].remove(watch)
            left = [channel for channel in channels if not self._watches[channel]]
            for channel in left:
                del self._watches[channel]
            known = [channel for channel in left if self._confirmed.pop(channel, None) is not None]
            await self._send(self._pubsub.unsubscribe, known)

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _subscribe(self, channels: Collection[str]) -> None:
        """Ask for those that nobody has asked for yet, and wait, within bounds, until Redis has taken all of them.

        What could not be asked for now is asked for by the next watcher.
        """
        fresh = [channel for channel in channels if channel not in self._confirmed]
        self._confirmed |= {channel: asyncio.Event() for channel in fresh}
        events = [self._confirmed[channel] for channel in channels]
        if not await self._send(self._pubsub.subscribe, fresh):
            for channel in fresh:
                self._confirmed.pop(channel, None)
            return
        if fresh and (self._listener is None or self._listener.done()):
            self._listener = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN_S):
                for event in events:
                    await event.wait()
        except TimeoutError as error:
            for event in events:
                event.set()  # whoever is confirmed from here on is woken by it
            self._breaker.trip()
            self._warn(error)

    async def _send(self, command: Callable[..., Awaitable[None]], channels: Collection[str]) -> bool:
        """Best effort: redis-py renews its subscriptions when it reconnects. False: Redis is unavailable."""
        if not channels:
            return True
        if self._breaker.is_open:
            return False
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._redis.initialize()  # a cluster's node is chosen by a map that it fetches first
                await command(*channels)
        except AWAY as error:
            self._breaker.trip()
            self._warn(error)
            return False
        return True

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
            except AWAY as error:
                self._warn(error)
                await asyncio.sleep(_RECONNECT_S)
                continue
            if message is not None and message["type"] in {"message", "subscribe"}:
                await self._take(message["channel"].decode(), confirms=message["type"] == "subscribe")

    async def _take(self, channel: str, *, confirms: bool) -> None:
        """A message, or Redis' confirmation of a subscription, wakes; but not the confirmation that is waited for."""
        confirmed = self._confirmed.get(channel)
        if confirms and confirmed is not None and not confirmed.is_set():
            confirmed.set()
            return
        watches = self._watches.get(channel)
        if watches is None:
            # Its last watcher left while Redis was unavailable.
            await self._send(self._pubsub.unsubscribe, [channel])
            return
        for watch in watches:
            watch.wake(channel)

    def _warn(self, error: BaseException) -> None:
        _log.warning(f"Redis is unavailable; {self._without}", reason=type(error).__name__)
