"""The lanes to the exchange, clients that watch, and what waits to be sent, in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from shared.domain.errors import UnavailableError
from shared.ports.outbox import ExchangeMessage, PublishedEffect
from tests.fakes.memory import Memory


@dataclass
class RecordingExchange:
    """`Exchange`, open or not."""

    sent: list[ExchangeMessage] = field(default_factory=list)
    open: bool = True

    async def send(self, messages: Sequence[ExchangeMessage]) -> None:
        if not self.open:
            raise UnavailableError("The bus is not available", retry_after_s=1)
        self.sent.extend(messages)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request for message in self.sent for request in orjson.loads(message.body)["requests"]]


@dataclass
class RecordingAudience:
    """`Audience`, reachable or not."""

    published: list[PublishedEffect] = field(default_factory=list)
    open: bool = True

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        if not self.open:
            raise UnavailableError("Clients cannot be reached", retry_after_s=1)
        self.published.extend(effects)


class MemoryOutbox:
    """`Outbox` on `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def unsent_messages(self, older_than: timedelta, most: int) -> list[ExchangeMessage]:
        late = [each for each in self._memory.messages.values() if each.is_late(older_than)]
        return [each.what for each in sorted(late, key=lambda each: each.since)[:most]]

    async def messages_sent(self, message_ids: Collection[UUID]) -> None:
        for message_id in message_ids:
            self._memory.messages[message_id].sent = True

    async def unsent_effects(self, older_than: timedelta, most: int) -> tuple[set[UUID], list[PublishedEffect]]:
        late = [(each.since, commit) for commit, each in self._memory.commits.items() if each.is_late(older_than)]
        commits = {commit for _, commit in sorted(late)[:most]}
        effects = [effect for commit in commits for effect in self._memory.commits[commit].what]
        return commits, sorted(effects, key=lambda effect: (effect.user_id, effect.sequence))

    async def effects_sent(self, commits: Collection[UUID]) -> None:
        for commit in commits:
            self._memory.commits.pop(commit, None)
