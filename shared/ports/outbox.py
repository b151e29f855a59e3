"""What leaves after a commit: messages to the exchange and news to clients."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from shared.domain.books import Effect
from shared.ports.books import ExchangeMessage


class Exchange(Protocol):
    """The road to the exchange's lanes."""

    async def send(self, messages: Sequence[ExchangeMessage]) -> None:
        """Deliver at least once. Raises UnavailableError when the bus is away."""


class Audience(Protocol):
    """Clients that watch."""

    async def tell(self, effects: Sequence[Effect]) -> None:
        """Publish in order of (user, sequence). Raises UnavailableError when the road is closed."""


class Outbox(Protocol):
    """Rows that were committed and have not been marked as sent."""

    async def unsent_messages(self, older_than: timedelta, most: int) -> list[ExchangeMessage]:
        """Oldest first."""

    async def messages_sent(self, message_ids: Collection[UUID]) -> None:
        """Mark messages to the exchange."""

    async def unsent_effects(self, older_than: timedelta, most: int) -> tuple[set[UUID], list[Effect]]:
        """The oldest `most` commits whose news has not been told, and that news by user and sequence."""

    async def effects_sent(self, commits: Collection[UUID]) -> None:
        """All news of these commits has been told."""
