"""Webhooks and their deliveries in memory, and receivers that answer as they are set."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson

from shared.domain.webhooks import DisabledBy
from shared.ports.webhooks import Answered, DeadLetter, Delivery, Outcome, Webhook
from tests.fakes.memory import Memory


@dataclass
class _Queued:
    delivery: Delivery
    user_id: UUID
    sequence: int
    kind: str
    due_at: datetime
    last_error: str = ""
    dead_at: datetime | None = None


class MemoryWebhooks:
    """`WebhookRecords` on `Memory`'s effects."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.webhooks: dict[UUID, Webhook] = {}
        self.positions: dict[UUID, int] = {}
        self.queued: dict[UUID, _Queued] = {}

    async def of_user(self, user_id: UUID) -> Sequence[Webhook]:
        return [
            replace(each, waiting=len(self._of(each, dead=False)), dead_letters=len(self._of(each, dead=True)))
            for each in self.webhooks.values()
            if each.user_id == user_id
        ]

    def _of(self, webhook: Webhook, *, dead: bool) -> list[_Queued]:
        queued = [each for each in self.queued.values() if (each.dead_at is not None) == dead]
        return [each for each in queued if each.delivery.webhook.webhook_id == webhook.webhook_id]

    async def put(self, webhook: Webhook, most: int) -> Webhook | None:
        known = self.webhooks.get(webhook.webhook_id)
        others = [each for each in self.webhooks.values() if each.user_id == webhook.user_id]
        if (known is None and len(others) >= most) or (known is not None and known.user_id != webhook.user_id):
            return None
        if known is None or known.disabled_by is not None:
            self.positions[webhook.webhook_id] = self._memory.sequences[webhook.user_id] - 1
        kept = webhook if known is None else replace(webhook, created_at=known.created_at, key_id=known.key_id)
        self.webhooks[webhook.webhook_id] = kept
        return kept

    async def remove(self, user_id: UUID, webhook_id: UUID) -> bool:
        known = self.webhooks.get(webhook_id)
        if known is None or known.user_id != user_id:
            return False
        del self.webhooks[webhook_id]
        self.queued = {k: v for k, v in self.queued.items() if v.delivery.webhook.webhook_id != webhook_id}
        return True

    async def queue(self, most: int) -> int:
        behind = 0
        for webhook in self.webhooks.values():
            position = self.positions[webhook.webhook_id]
            effects = [each for each in self._memory.effects.get(webhook.user_id, ()) if each.sequence > position]
            if webhook.disabled_by is not None or not effects:
                continue
            behind += 1
            self.positions[webhook.webhook_id] = effects[-1].sequence
            for each in effects:
                if not webhook.kinds or each.kind in webhook.kinds:
                    body = orjson.dumps({"type": each.kind, "sequence": each.sequence, "data": each.payload})
                    delivery = Delivery(uuid4(), webhook, body, 0)
                    queued = _Queued(delivery, webhook.user_id, each.sequence, each.kind, datetime.now(UTC))
                    self.queued[delivery.delivery_id] = queued
        return behind

    async def take_due(
        self, most: int, of_one: int, lease: timedelta, without: Collection[UUID] = ()
    ) -> Sequence[Delivery]:
        now, taken = datetime.now(UTC), []
        for each in sorted(self.queued.values(), key=lambda queued: queued.due_at):
            webhook_id = each.delivery.webhook.webhook_id
            if each.dead_at is None and each.due_at <= now and webhook_id not in without and len(taken) < most:
                webhook = self.webhooks[webhook_id]
                each.delivery = replace(each.delivery, webhook=webhook, attempts=each.delivery.attempts + 1)
                each.due_at = now + lease
                taken.append(each.delivery)
        return taken

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.error is None:
                del self.queued[outcome.delivery_id]
                continue
            queued = self.queued[outcome.delivery_id]
            queued.last_error = outcome.error
            if outcome.again_in is None:
                queued.dead_at = queued.dead_at or datetime.now(UTC)
            else:
                queued.due_at = datetime.now(UTC) + outcome.again_in

    async def disable(self, webhook_id: UUID, by: DisabledBy) -> None:
        self.webhooks[webhook_id] = replace(self.webhooks[webhook_id], disabled_by=by)
        for each in self._of(self.webhooks[webhook_id], dead=False):
            each.dead_at, each.last_error = datetime.now(UTC), each.last_error or "the webhook was disabled"

    async def dead_letters(
        self, user_id: UUID | None, webhook_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[DeadLetter]:
        found = [
            DeadLetter(
                each.delivery.delivery_id,
                each.delivery.webhook.webhook_id,
                each.user_id,
                each.sequence,
                each.kind,
                each.delivery.attempts,
                each.last_error,
                each.dead_at,
            )
            for each in self.queued.values()
            if each.dead_at is not None and user_id in {None, each.user_id}
        ]
        return found[:limit]

    async def replay(self, user_id: UUID | None, webhook_id: UUID | None, delivery_id: UUID | None) -> int:
        replayed = 0
        for each in self.queued.values():
            webhook = self.webhooks[each.delivery.webhook.webhook_id]
            if each.dead_at is not None and webhook.disabled_by is None and user_id in {None, each.user_id}:
                each.dead_at, each.due_at = None, datetime.now(UTC)
                each.delivery = replace(each.delivery, attempts=0)
                replayed += 1
        return replayed


@dataclass
class RecordingSender:
    """`WebhookSender` that answers the same to everything."""

    answer: Answered = field(default_factory=lambda: Answered(200))
    posts: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answered:
        self.posts.append((url, body, headers))
        return self.answer
