"""What is sent after a commit: messages to the exchange and effects for clients."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from shared.domain.ledger.changes import EffectKind
from shared.json_values import Json


@dataclass(frozen=True, slots=True)
class ExchangeMessage:
    """One message to one lane of the exchange; the id is derived, so sending it twice is a duplicate."""

    message_id: UUID
    lane: str
    body: str


@dataclass(frozen=True, slots=True)
class PublishedEffect:
    """One change as a user's clients receive it, in the order of `sequence`."""

    user_id: UUID
    sequence: int
    kind: EffectKind
    payload: Json


class Exchange(Protocol):
    """The lanes to the exchange."""

    async def send(self, messages: Sequence[ExchangeMessage]) -> None:
        """Deliver at least once. Raises UnavailableError when the bus is unavailable."""


class Audience(Protocol):
    """Clients that watch."""

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        """Publish in order of (user, sequence). Raises UnavailableError when clients can't be reached."""


class Outbox(Protocol):
    """Rows that were committed and have not been marked as sent."""

    async def unsent_messages(self, older_than: timedelta, most: int) -> list[ExchangeMessage]:
        """Oldest first."""

    async def messages_sent(self, message_ids: Collection[UUID]) -> None:
        """Mark messages to the exchange."""

    async def unsent_effects(self, older_than: timedelta, most: int) -> tuple[set[UUID], list[PublishedEffect]]:
        """The oldest `most` commits whose effects have not been published, and those effects by user and sequence."""

    async def effects_sent(self, commits: Collection[UUID]) -> None:
        """All effects of these commits have been published."""
