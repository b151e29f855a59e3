"""Clients at the service: they are let in, and get the changes of their user's stream.

A client gets one message for each commit: `changes`, with a list of what its user's stream gained, in order of
sequence. Messages of two commits may come in any order and more than once: the client orders by sequence.
"""

import asyncio
from collections.abc import Collection, Sequence
from itertools import batched, groupby
from typing import Final
from uuid import UUID

import structlog

from shared.adapters.redis.presence import RedisPresence
from shared.adapters.signalr.service import RefusedError, SignalRService
from shared.domain.errors import UnavailableError
from shared.domain.push import Hub
from shared.json_values import Json
from shared.ports.outbox import Audience, PublishedEffect
from shared.ports.push import HubAccess

TARGET: Final = "changes"
_MOST_OF_A_MESSAGE: Final = 100
"""About 100 KB: the service takes 1 MB."""
_log = structlog.get_logger(__name__)


class SignalRPush:
    """`Hubs` at the service; nothing is sent to users without clients."""

    def __init__(self, service: SignalRService, presence: RedisPresence) -> None:
        self._service = service
        self._presence = presence

    async def admit(self, hub: Hub, user_id: UUID, roles: Collection[str]) -> HubAccess:
        """See `Hubs.admit`."""
        if hub is Hub.USER:
            await self._presence.arrives(user_id)
        return await self._service.admit(hub, user_id, roles)

    async def ping(self) -> None:
        """Ask the service for one answer. Raises UnavailableError."""
        await self._service.ping()

    def audience(self, watchers: Audience) -> Audience:
        """Clients at the service and these watchers."""
        return _Everybody(watchers, self)

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        """See `Audience.publish`."""
        ordered = sorted(effects, key=lambda effect: (effect.user_id, effect.sequence))
        of_users = {user: list(some) for user, some in groupby(ordered, key=lambda effect: effect.user_id)}
        known = await self._presence.known(list(of_users))
        sending = (self._push_to(user, some, known.get(user)) for user, some in of_users.items())
        failures = [each for each in await asyncio.gather(*sending, return_exceptions=True) if each is not None]
        if failures:
            raise failures[0]

    async def _push_to(self, user_id: UUID, effects: Sequence[PublishedEffect], present: bool | None) -> None:
        if present is None:
            present = await self._service.has_clients(Hub.USER, user_id)
            await self._presence.answered(user_id, present=present)
        if not present:
            return
        for some in batched(effects, _MOST_OF_A_MESSAGE, strict=False):
            try:
                await self._service.send_to_user(Hub.USER, user_id, TARGET, [_message(each) for each in some])
            except RefusedError:
                # Sending it again would fail again, and stop everything behind it; the client sees the gap and asks.
                _log.exception("the push service refused a message", sequences=[each.sequence for each in some])


class _Everybody:
    """`Audience` of watchers in this broker and of clients at the service."""

    def __init__(self, watchers: Audience, clients: SignalRPush) -> None:
        self._watchers = watchers
        self._clients = clients

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        """See `Audience.publish`."""
        await asyncio.gather(self._wake(effects), self._clients.publish(effects))

    async def _wake(self, effects: Sequence[PublishedEffect]) -> None:
        """A hint that is lost costs its watcher a poll: no reason to send everything again."""
        try:
            await self._watchers.publish(effects)
        except UnavailableError as error:
            _log.warning("watchers were not woken; they poll", reason=str(error))


def _message(effect: PublishedEffect) -> Json:
    return {"sequence": effect.sequence, "kind": effect.kind, "payload": effect.payload}
