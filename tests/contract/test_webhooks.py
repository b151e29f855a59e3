"""`WebhookRecords`: deliveries follow the stream, are taken once, and are kept until they were taken or given up."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.webhooks import PostgresWebhooks
from shared.domain.orders.events import Refused
from shared.domain.orders.rejects import RejectCode
from shared.domain.webhooks import DisabledBy
from shared.ports.webhooks import Outcome, Webhook
from tests.contract.conftest import Store
from tests.fakes.webhooks import MemoryWebhooks

_MINUTE = timedelta(minutes=1)


@pytest.fixture
def memory_webhooks(memory_store: Store) -> tuple[Store, Any]:
    return memory_store, MemoryWebhooks(memory_store.books._memory)  # type: ignore[attr-defined]


@pytest.fixture
def postgres_webhooks(postgres_store: Store, database: Database) -> tuple[Store, Any]:
    return postgres_store, PostgresWebhooks(database)


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> tuple[Store, Any]:
    return request.getfixturevalue(f"{request.param}_webhooks")


def a_webhook(user: UUID, **changes: Any) -> Webhook:
    values: dict[str, Any] = {
        "webhook_id": uuid4(),
        "user_id": user,
        "url": "https://receiver.example/",
        "kinds": (),
        "key_id": "k",
        "secret_number": 1,
        "previous_secret_until": None,
        "disabled_by": None,
        "created_at": datetime.now(UTC),
    }
    return Webhook(**values | changes)


async def queue_all(webhooks: Any) -> None:
    while await webhooks.queue(10):
        """Page after page."""


async def taken(webhooks: Any, lease: timedelta = _MINUTE) -> list[Any]:
    await queue_all(webhooks)
    return list(await webhooks.take_due(50, 50, lease))


def sequences(deliveries: list[Any]) -> list[int]:
    return [orjson.loads(each.body)["sequence"] for each in deliveries]


async def test_deliveries_are_the_changes_after_the_webhook(kept: tuple[Store, Any]) -> None:
    store, webhooks = kept
    user = await store.open()
    every, some = a_webhook(user), a_webhook(user, kinds=("balances",))
    for each in (every, some):
        assert (await webhooks.put(each, 5)).webhook_id == each.webhook_id
    key = await store.place(user)
    await store.submit(key, Refused(RejectCode.INSUFFICIENT_FUNDS, "x"))
    deliveries = await taken(webhooks)
    assert {each.webhook.webhook_id for each in deliveries} == {every.webhook_id}
    assert (sequences(deliveries), [each.attempts for each in deliveries]) == ([2, 3], [1, 1])
    (_, second) = [orjson.loads(each.body) for each in deliveries]
    assert (second["type"], second["data"]["status"]) == ("order", "REJECTED")
    assert await taken(webhooks) == []
    assert [(each.waiting, each.dead_letters) for each in await webhooks.of_user(user)] == [(2, 0), (0, 0)]


async def test_outcome_of_an_attempt_decides_what_follows(kept: tuple[Store, Any]) -> None:
    store, webhooks = kept
    user = await store.open()
    webhook = a_webhook(user)
    await webhooks.put(webhook, 5)
    for _ in range(3):
        await store.place(user)
    first, second, third = await taken(webhooks)
    again, dead = timedelta(0), None
    outcomes = [(first, None, dead), (second, "answered 500", again), (third, "answered 500", dead)]
    await webhooks.settle([Outcome(each.delivery_id, error, when) for each, error, when in outcomes])
    (retried,) = await taken(webhooks)
    assert (retried.delivery_id, retried.body, retried.attempts) == (second.delivery_id, second.body, 2)
    (letter,) = await webhooks.dead_letters(user, webhook.webhook_id, None, 9)
    assert (letter.delivery_id, letter.sequence, letter.last_error) == (third.delivery_id, 4, "answered 500")
    assert await webhooks.dead_letters(await store.open(), None, None, 9) == []
    assert await webhooks.replay(user, webhook.webhook_id, None) == 1
    (replayed,) = await taken(webhooks)
    assert (replayed.delivery_id, replayed.attempts) == (third.delivery_id, 1)
    assert await webhooks.replay(None, None, None) == 0


async def test_lease_that_ends_makes_due_again(kept: tuple[Store, Any]) -> None:
    store, webhooks = kept
    user = await store.open()
    await webhooks.put(a_webhook(user), 5)
    await store.place(user)
    (first,) = await taken(webhooks, timedelta(0))
    (second,) = await taken(webhooks)
    assert (first.delivery_id, second.attempts) == (second.delivery_id, 2)


async def test_webhooks_that_are_left_out_keep_what_is_due(kept: tuple[Store, Any]) -> None:
    store, webhooks = kept
    user = await store.open()
    busy, other = a_webhook(user), a_webhook(user)
    for each in (busy, other):
        await webhooks.put(each, 5)
    await store.place(user)
    await queue_all(webhooks)
    (first,) = await webhooks.take_due(50, 50, _MINUTE, {busy.webhook_id})
    (second,) = await webhooks.take_due(50, 50, _MINUTE)
    assert [each.webhook.webhook_id for each in (first, second)] == [other.webhook_id, busy.webhook_id]


async def test_disabled_webhook_gives_up_what_waits(kept: tuple[Store, Any]) -> None:
    store, webhooks = kept
    user = await store.open()
    webhook = a_webhook(user)
    await webhooks.put(webhook, 5)
    await store.place(user)
    (tried,) = await taken(webhooks)
    await store.place(user)
    await queue_all(webhooks)
    await webhooks.disable(webhook.webhook_id, DisabledBy.GONE)
    await webhooks.settle([Outcome(tried.delivery_id, "answered 410")])
    letters = await webhooks.dead_letters(user, webhook.webhook_id, None, 9)
    assert {each.last_error for each in letters} == {"answered 410", "the webhook was disabled"}
    await store.place(user)
    assert await taken(webhooks) == []
    (known,) = await webhooks.of_user(user)
    assert (known.disabled_by, known.waiting, known.dead_letters) == (DisabledBy.GONE, 0, 2)
    assert await webhooks.replay(user, None, None) == 0
    await webhooks.put(webhook, 5)
    await store.place(user)
    assert sequences(await taken(webhooks)) == [5]


async def test_webhooks_are_bounded_and_their_owners(kept: tuple[Store, Any]) -> None:
    store, webhooks = kept
    alice, bob = await store.open(), await store.open()
    hers = a_webhook(alice)
    await webhooks.put(hers, 1)
    assert await webhooks.put(a_webhook(alice), 1) is None
    assert await webhooks.put(a_webhook(bob, webhook_id=hers.webhook_id), 1) is None
    changed = await webhooks.put(a_webhook(alice, webhook_id=hers.webhook_id, kinds=("trade",), key_id="new"), 1)
    assert (changed.kinds, changed.key_id) == (("trade",), "k")
    assert not await webhooks.remove(bob, hers.webhook_id)
    assert await webhooks.remove(alice, hers.webhook_id)
    assert await webhooks.of_user(alice) == []
