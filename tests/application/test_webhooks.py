"""Webhooks: what a receiver can verify, how long it is tried, and who may do what."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError

from shared.application.webhooks import WebhookDeliveries, Webhooks
from shared.contracts.webhooks import PutWebhook
from shared.domain.errors import InvalidRequestError, NotFoundError, StateConflictError, UnavailableError
from shared.domain.ledger.changes import EffectKind
from shared.domain.webhooks import DELAYS, DisabledBy, SigningKeys, delay_after
from shared.ports.notifications import StoredEffect
from shared.ports.webhooks import Answered
from tests.fakes.memory import Memory
from tests.fakes.webhooks import MemoryWebhooks, RecordingSender
from tests.support.values import ALICE, BOB, RATE_CARDS
from tests.support.waiting import eventually

KEY, OTHER_KEY = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
URL = "https://receiver.example/broker"


class HangingSender(RecordingSender):
    """Has no answer of one address before it is let."""

    def __init__(self, hangs: str) -> None:
        super().__init__()
        self.hangs, self.let = hangs, asyncio.Event()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        answered = await super().post(url, body, headers)
        if url == self.hangs:
            await self.let.wait()
        return answered


class Broker:
    """One process's webhooks, and the stream of alice."""

    def __init__(self, keys: str = KEY) -> None:
        self.memory = Memory(RATE_CARDS)
        for user in (ALICE, BOB):
            self.memory.add_user(user, "ACTIVE")
        self.records, self.sender = MemoryWebhooks(self.memory), RecordingSender()
        self.rekey(keys)

    def rekey(self, keys: str) -> None:
        parsed = SigningKeys.parsed(keys)
        self.webhooks = Webhooks(self.records, parsed, plain_allowed=False)
        self.deliveries = WebhookDeliveries(self.records, self.sender, parsed, lambda: 0.5)

    def change(self, kind: str = "order") -> None:
        sequence = self.memory.sequences[ALICE]
        effect = StoredEffect(sequence, kind, {"n": sequence}, datetime.now(UTC))
        self.memory.effects.setdefault(ALICE, []).append(effect)
        self.memory.sequences[ALICE] += 1

    def make_due(self) -> None:
        for each in self.records.queued.values():
            each.due_at = datetime.now(UTC)

    async def attempt(self) -> tuple[bytes, dict[str, str]]:
        self.make_due()
        await self.deliveries.run()
        _, body, headers = self.sender.posts[-1]
        return body, headers


async def test_receiver_verifies_with_the_published_library() -> None:
    broker = Broker()
    broker.change()
    created = await broker.webhooks.put(ALICE, uuid4(), PutWebhook(url=URL, kinds=[EffectKind.TRADE]))
    for kind in ("order", "trade"):
        broker.change(kind)
    body, headers = await broker.attempt()
    assert Receiver(created.secret).verify(body, headers) == {"type": "trade", "sequence": 3, "data": {"n": 3}}
    assert (len(broker.sender.posts), broker.records.queued) == (1, {})
    with pytest.raises(WebhookVerificationError):
        Receiver(created.secret).verify(body + b" ", headers)


async def test_both_secrets_sign_while_one_is_replaced() -> None:
    broker, webhook_id = Broker(), uuid4()
    first = await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL))
    assert await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL)) == first
    second = await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL, secret_number=2))
    assert second.secret != first.secret
    broker.change()
    body, headers = await broker.attempt()
    for secret in (first.secret, second.secret):
        Receiver(secret).verify(body, headers)
    ended = replace(broker.records.webhooks[webhook_id], previous_secret_until=datetime.now(UTC) - timedelta(seconds=1))
    broker.records.webhooks[webhook_id] = ended
    broker.change()
    body, headers = await broker.attempt()
    with pytest.raises(WebhookVerificationError):
        Receiver(first.secret).verify(body, headers)
    with pytest.raises(StateConflictError):
        await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL, secret_number=7))


async def test_webhook_keeps_the_key_that_it_began_with() -> None:
    broker, webhook_id = Broker(), uuid4()
    created = await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL))
    broker.rekey(f"{OTHER_KEY},{KEY}")
    assert (await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL))).secret == created.secret
    broker.rekey(OTHER_KEY)
    broker.change()
    await broker.deliveries.run()
    assert ("is not configured" in next(iter(broker.records.queued.values())).last_error, broker.sender.posts) == (
        True,
        [],
    )


async def test_failed_delivery_is_tried_until_it_is_a_dead_letter() -> None:
    broker, webhook_id = Broker(), uuid4()
    await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL))
    broker.change()
    broker.sender.answer = Answered(302)
    ids = set()
    for _ in range(len(DELAYS) + 1):
        _, headers = await broker.attempt()
        ids.add(headers["webhook-id"])
    await broker.attempt()
    assert (len(broker.sender.posts), len(ids)) == (len(DELAYS) + 1, 1)
    (letter,), _ = await broker.webhooks.dead_letters(ALICE, webhook_id, None, 9)
    assert (letter.attempts, letter.last_error) == (9, "answered 302")
    with pytest.raises(NotFoundError):
        await broker.webhooks.replay(BOB, webhook_id, None)
    broker.sender.answer = Answered(204)
    assert (await broker.webhooks.replay(ALICE, webhook_id, None)).replayed == 1
    _, headers = await broker.attempt()
    assert (headers["webhook-id"] in ids, broker.records.queued) == (True, {})


async def test_slow_receiver_holds_no_other_webhook_up() -> None:
    broker, slow = Broker(), "https://slow.example/"
    sender = HangingSender(slow)
    broker.deliveries = WebhookDeliveries(broker.records, sender, SigningKeys.parsed(KEY), lambda: 0.5)
    for url in (slow, URL):
        await broker.webhooks.put(ALICE, uuid4(), PutWebhook(url=url))
    broker.change()
    running = asyncio.create_task(broker.deliveries.run())
    for waiting in (1, 2):
        # Delivered and settled while the slow one still has its first.
        await eventually(lambda waiting=waiting: len(broker.records.queued) == waiting)
        broker.change()
    await eventually(lambda: len(broker.records.queued) == 3)
    assert [url for url, *_ in sender.posts].count(slow) == 1
    sender.let.set()
    await running
    assert broker.records.queued == {}


async def test_gone_receiver_gets_nothing_until_it_is_enabled() -> None:
    broker, webhook_id = Broker(), uuid4()
    await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL))
    broker.change()
    broker.sender.answer = Answered(410)
    await broker.attempt()
    (webhook,) = (await broker.webhooks.list(ALICE)).items
    assert (webhook.enabled, webhook.disabled_by, webhook.dead_letters) == (False, DisabledBy.GONE, 1)
    broker.change()
    broker.sender.answer = Answered(200)
    assert (await broker.webhooks.replay(ALICE, webhook_id, None)).replayed == 0
    await broker.webhooks.put(ALICE, webhook_id, PutWebhook(url=URL))
    broker.change()
    body, _ = await broker.attempt()
    assert (b'"sequence":3' in body, len(broker.sender.posts)) == (True, 2)


def test_delays_grow_with_jitter_to_a_day() -> None:
    assert delay_after(1, 0.5) == timedelta(seconds=5)
    assert (delay_after(1, 0.0), delay_after(1, 1.0)) == (timedelta(seconds=4), timedelta(seconds=6))
    assert (delay_after(8, 0.5), delay_after(9, 0.5)) == (timedelta(days=1), None)
    assert list(DELAYS) == sorted(DELAYS)


async def test_webhooks_are_their_owners_and_few() -> None:
    broker, taken = Broker(), uuid4()
    await broker.webhooks.put(BOB, taken, PutWebhook(url=URL))
    mine = [uuid4() for _ in range(5)]
    for each in mine:
        await broker.webhooks.put(ALICE, each, PutWebhook(url=URL))
    for refused in (taken, uuid4()):
        with pytest.raises(StateConflictError):
            await broker.webhooks.put(ALICE, refused, PutWebhook(url=URL))
    with pytest.raises(NotFoundError):
        await broker.webhooks.remove(ALICE, taken)
    assert (await broker.webhooks.remove(ALICE, mine[0])).webhook_id == str(mine[0])
    assert [UUID(each.webhook_id) for each in (await broker.webhooks.list(ALICE)).items] == mine[1:]


async def test_plain_addresses_and_missing_keys_are_refused() -> None:
    broker = Broker()
    with pytest.raises(InvalidRequestError, match="https"):
        await broker.webhooks.put(ALICE, uuid4(), PutWebhook(url="http://receiver.example/"))
    with pytest.raises(UnavailableError):
        await Webhooks(broker.records, None, plain_allowed=True).put(ALICE, uuid4(), PutWebhook(url=URL))
    for text in ("short", base64.b64encode(b"x" * 31).decode(), f"{KEY},"):
        with pytest.raises(ValueError):
            SigningKeys.parsed(text)
