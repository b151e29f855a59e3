"""Webhooks: their owners manage them, a timer delivers what they are due."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from shared.contracts.webhooks import (
    DeadLetterView,
    PutWebhook,
    ReplayedView,
    WebhooksView,
    WebhookView,
    WebhookWithSecret,
)
from shared.domain.errors import InvalidRequestError, NotFoundError, StateConflictError, UnavailableError
from shared.domain.times import wire_time
from shared.domain.webhooks import MOST_WEBHOOKS, ROTATION, DisabledBy, SigningKeys, delay_after, shown, signature
from shared.ports.webhooks import Answered, DeadLetter, Delivery, Outcome, Webhook, WebhookRecords, WebhookSender

_GONE: Final = 410
_MOST_QUEUED: Final = 100
_MOST_AT_ONCE: Final = 50
_MOST_OF_ONE: Final = 5
_LEASE: Final = timedelta(seconds=60)
"""Longer than one attempt; what a killed process had taken is due again then."""
_LONGEST_S: Final = 20.0
_ROUND_S: Final = 0.25
"""How long one round waits for receivers; those that are slower hold up no other webhook."""
_log = structlog.get_logger(__name__)


class Webhooks:
    """What owners and operators do; without keys nothing is offered."""

    def __init__(self, records: WebhookRecords, keys: SigningKeys | None, *, plain_allowed: bool) -> None:
        self._records = records
        self._keys = keys
        self._plain_allowed = plain_allowed

    async def list(self, user_id: UUID) -> WebhooksView:
        """The user's webhooks. Raises UnavailableError."""
        return WebhooksView(
            items=[WebhookView.of(each, **_shown(each)) for each in await self._records.of_user(user_id)]
        )

    async def put(self, user_id: UUID, webhook_id: UUID, wanted: PutWebhook) -> WebhookWithSecret:
        """Create a webhook, or make it what is wanted; repeating it changes nothing.

        Raises InvalidRequestError, StateConflictError (the user has as many as may be, or the id is taken),
        UnavailableError.
        """
        keys = self._require_keys()
        if wanted.url.startswith("http:") and not self._plain_allowed:
            raise InvalidRequestError("url: must begin with https://", field="url")
        known = await self._find(user_id, webhook_id)
        webhook = await self._records.put(_changed(known, user_id, webhook_id, wanted, keys), MOST_WEBHOOKS)
        if webhook is None:
            raise StateConflictError(
                f"A user has at most {MOST_WEBHOOKS} webhooks, each with an id of its own", state="FULL"
            )
        secret = shown(keys.secret(webhook.key_id, webhook_id, webhook.secret_number))
        return WebhookWithSecret.of(webhook, **_shown(webhook), secret=secret)

    async def remove(self, user_id: UUID, webhook_id: UUID) -> WebhookView:
        """Remove a webhook with its deliveries; what it was. Raises NotFoundError, UnavailableError."""
        known = await self._find(user_id, webhook_id)
        if known is None or not await self._records.remove(user_id, webhook_id):
            raise _unknown()
        return WebhookView.of(known, **_shown(known))

    async def dead_letters(
        self, user_id: UUID | None, webhook_id: UUID | None, after: UUID | None, limit: int
    ) -> tuple[Sequence[DeadLetterView], UUID | None]:
        """What was given up, newest first, and where the next page begins. Raises NotFoundError, UnavailableError."""
        await self._require(user_id, webhook_id)
        found = await self._records.dead_letters(user_id, webhook_id, after, limit + 1)
        shown_now = found[:limit]
        return [_dead(each) for each in shown_now], shown_now[-1].delivery_id if len(found) > limit else None

    async def replay(self, user_id: UUID | None, webhook_id: UUID | None, delivery_id: UUID | None) -> ReplayedView:
        """Deliver again what was given up. Raises NotFoundError, UnavailableError."""
        await self._require(user_id, webhook_id)
        return ReplayedView(replayed=await self._records.replay(user_id, webhook_id, delivery_id))

    async def _require(self, user_id: UUID | None, webhook_id: UUID | None) -> None:
        if user_id is not None and webhook_id is not None and await self._find(user_id, webhook_id) is None:
            raise _unknown()

    async def _find(self, user_id: UUID, webhook_id: UUID) -> Webhook | None:
        return next((each for each in await self._records.of_user(user_id) if each.webhook_id == webhook_id), None)

    def _require_keys(self) -> SigningKeys:
        if self._keys is None:
            raise UnavailableError("This broker has no webhooks: poll GET /api/notifications", retry_after_s=60)
        return self._keys


class WebhookDeliveries:
    """What the timer does."""

    def __init__(
        self,
        records: WebhookRecords,
        sender: WebhookSender,
        keys: SigningKeys | None,
        chance: Callable[[], float],
    ) -> None:
        self._records = records
        self._sender = sender
        self._keys = keys
        self._chance = chance

    async def run(self) -> None:
        """Queue what changed and send what is due, until nothing is or the time is over. Raises UnavailableError."""
        if self._keys is None:
            return
        under_way: dict[asyncio.Task[Outcome], UUID] = {}
        try:
            await self._deliver(self._keys, under_way)
        finally:
            for left in under_way:
                left.cancel()

    async def _deliver(self, keys: SigningKeys, under_way: dict[asyncio.Task[Outcome], UUID]) -> None:
        ends_at = time.monotonic() + _LONGEST_S
        while (may_begin := time.monotonic() < ends_at) or under_way:
            queued = await self._records.queue(_MOST_QUEUED) if may_begin else 0
            if may_begin and (free := _MOST_AT_ONCE - len(under_way)):
                # A webhook's next ones are taken once its last ones have ended, so it never has more than its share.
                busy = set(under_way.values())
                for each in await self._records.take_due(free, _MOST_OF_ONE, _LEASE, busy):
                    under_way[asyncio.create_task(self._attempt(each, keys))] = each.webhook.webhook_id
            if under_way:
                ended, _ = await asyncio.wait(under_way, timeout=_ROUND_S)
                for attempt in ended:
                    del under_way[attempt]
                await self._records.settle([attempt.result() for attempt in ended])
            elif not queued:
                return

    async def _attempt(self, delivery: Delivery, keys: SigningKeys) -> Outcome:
        answer = await self._send(delivery, keys)
        if answer.status is not None and 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110: taken
            return Outcome(delivery.delivery_id)
        error = answer.error or f"answered {answer.status}"
        if answer.status == _GONE:
            _log.info("a webhook is gone; nothing more is delivered to it", webhook_id=str(delivery.webhook.webhook_id))
            await self._records.disable(delivery.webhook.webhook_id, DisabledBy.GONE)
            return Outcome(delivery.delivery_id, error)
        again_in = delay_after(delivery.attempts, self._chance())
        if again_in is None:
            _log.warning("a delivery was given up", delivery_id=str(delivery.delivery_id), reason=error)
        return Outcome(delivery.delivery_id, error, again_in)

    async def _send(self, delivery: Delivery, keys: SigningKeys) -> Answered:
        webhook, timestamp = delivery.webhook, int(time.time())
        until, numbers = webhook.previous_secret_until, [webhook.secret_number]
        if until is not None and until > datetime.now(UTC):
            numbers.append(webhook.secret_number - 1)
        try:
            secrets = [keys.secret(webhook.key_id, webhook.webhook_id, number) for number in numbers]
        except KeyError:
            return Answered(None, "the key of this webhook is not configured")
        message_id = f"msg_{delivery.delivery_id.hex}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "broker-webhooks/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secrets, message_id, timestamp, delivery.body),
        }
        return await self._sender.post(webhook.url, delivery.body, headers)


def _changed(known: Webhook | None, user_id: UUID, webhook_id: UUID, wanted: PutWebhook, keys: SigningKeys) -> Webhook:
    """The webhook as it is wanted. Raises StateConflictError for a secret number that does not follow."""
    now, number, until = datetime.now(UTC), 1, None
    if known is not None:
        number, until = known.secret_number, known.previous_secret_until
    if wanted.secret_number == number + 1 and known is not None:
        number, until = number + 1, now + ROTATION
    elif wanted.secret_number != number:
        raise StateConflictError(f"The secret's number is {number}: send it, or one more", state=str(number))
    return Webhook(
        webhook_id=webhook_id,
        user_id=user_id,
        url=wanted.url,
        kinds=tuple(kind.value for kind in dict.fromkeys(wanted.kinds)),
        key_id=keys.newest if known is None else known.key_id,
        secret_number=number,
        previous_secret_until=until,
        disabled_by=None if wanted.enabled else DisabledBy.OWNER,
        created_at=now,
    )


def _shown(webhook: Webhook) -> dict[str, object]:
    return {"kinds": list(webhook.kinds), "enabled": webhook.disabled_by is None}


def _dead(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView.of(letter, dead_at=wire_time(letter.dead_at))


def _unknown() -> NotFoundError:
    return NotFoundError("There is no such webhook: GET /api/webhooks lists yours")
