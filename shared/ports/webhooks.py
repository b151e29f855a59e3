"""Where webhooks and their deliveries are kept, and how one is sent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from shared.domain.webhooks import DisabledBy


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that gets the changes of one user; `kinds` empty: all of them."""

    webhook_id: UUID
    user_id: UUID
    url: str
    kinds: tuple[str, ...]
    key_id: str
    secret_number: int
    previous_secret_until: datetime | None
    disabled_by: DisabledBy | None
    created_at: datetime
    waiting: int = 0
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One change for one webhook; its id stays over all attempts, `attempts` counts this one."""

    delivery_id: UUID
    webhook: Webhook
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up."""

    delivery_id: UUID
    webhook_id: UUID
    user_id: UUID
    sequence: int
    kind: str
    attempts: int
    last_error: str
    dead_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: delivered, or an error, and when it is due again (None: given up)."""

    delivery_id: UUID
    error: str | None = None
    again_in: timedelta | None = None


class WebhookRecords(Protocol):
    """Every verb raises UnavailableError."""

    async def of_user(self, user_id: UUID) -> Sequence[Webhook]:
        """The user's webhooks, oldest first, with how much waits and how much was given up."""

    async def put(self, webhook: Webhook, most: int) -> Webhook | None:
        """Create or change one; what it is now, None: another user's id, or the user has `most` others.

        A new one, and one that is enabled again, begins after the user's newest change.
        """

    async def remove(self, user_id: UUID, webhook_id: UUID) -> bool:
        """Remove one with its deliveries; False when there is none."""

    async def queue(self, most: int) -> int:
        """Make deliveries of the changes that followed what each webhook had; how many webhooks had any.

        A webhook with a long queue waits, so that a receiver that is away costs a bounded number of rows.
        """

    async def take_due(
        self, most: int, of_one: int, lease: timedelta, without: Collection[UUID] = ()
    ) -> Sequence[Delivery]:
        """Deliveries that are due, at most `of_one` a webhook and none of the webhooks `without`; nobody else gets them
        before `lease` has passed."""

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Remove what was delivered, and note when the others are due again or that they were given up."""

    async def disable(self, webhook_id: UUID, by: DisabledBy) -> None:
        """Deliver nothing any more: what waits is given up."""

    async def dead_letters(
        self, user_id: UUID | None, webhook_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[DeadLetter]:
        """What was given up, newest first by id; None: of all users, of all webhooks."""

    async def replay(self, user_id: UUID | None, webhook_id: UUID | None, delivery_id: UUID | None) -> int:
        """Make given-up deliveries due at once, with all attempts before them; how many."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the receiver said: a status, or why there is none."""

    status: int | None
    error: str = ""


class WebhookSender(Protocol):
    """Posts to addresses that users choose: never to a private address, never following a redirect, bounded."""

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answered:
        """Never raises."""
