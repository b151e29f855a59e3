"""`Wakeups` and `Audience`: whoever watches a user is woken by what is published of that user."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.client import connect
from shared.adapters.redis.wakeups import RedisWakeups
from shared.domain.errors import UnavailableError
from shared.domain.ledger.changes import EffectKind
from shared.ports.outbox import PublishedEffect
from tests.fakes.wakeups import MemoryWakeups
from tests.support.waiting import eventually


@pytest.fixture
async def memory_wakeups() -> MemoryWakeups:
    return MemoryWakeups()


@pytest.fixture
async def redis_wakeups(redis: Redis) -> AsyncIterator[RedisWakeups]:
    made = RedisWakeups(redis)
    yield made
    await made.close()


@pytest.fixture
async def memory_away() -> MemoryWakeups:
    return MemoryWakeups(away=True)


@pytest.fixture
async def redis_away() -> AsyncIterator[RedisWakeups]:
    client = connect("redis://127.0.0.1:9/0")
    made = RedisWakeups(client)
    yield made
    await made.close()
    await client.aclose()


@pytest.fixture(params=["memory", "redis"])
def wakeups(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_wakeups")


@pytest.fixture(params=["memory", "redis"])
def away(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_away")


async def woken(wakeups: Any, changes: Any, *users: UUID) -> None:
    """Publish until the watcher is woken: a subscription takes a moment, and a hint may be lost."""

    async def attempt() -> bool:
        await wakeups.changed(users)
        return await changes.next(0.02)

    await eventually(attempt)


async def test_every_watcher_of_a_user_is_woken(wakeups: Any) -> None:
    alice, bob = uuid4(), uuid4()
    async with wakeups.watch(alice) as first, wakeups.watch(alice) as second:
        await woken(wakeups, first, bob, alice)
        assert await second.next(5)


async def test_watcher_is_woken_by_its_user_alone(wakeups: Any) -> None:
    alice, bob = uuid4(), uuid4()
    async with wakeups.watch(alice) as hers, wakeups.watch(bob) as his:
        await woken(wakeups, his, bob)
        await woken(wakeups, hers, alice)
        while await his.next(0.02):
            """Every change counts until it was asked about."""
        await woken(wakeups, hers, alice)
        assert not await his.next(0.02)


async def test_change_before_the_question_is_not_missed(wakeups: Any) -> None:
    alice, bob = uuid4(), uuid4()
    async with wakeups.watch(alice) as hers, wakeups.watch(bob) as his:
        await woken(wakeups, hers, alice)
        await wakeups.changed([alice])
        await woken(wakeups, his, bob)
        assert await hers.next(5)


async def test_effects_wake_the_users_they_belong_to(wakeups: Any) -> None:
    alice = uuid4()
    async with wakeups.watch(alice) as changes:
        await woken(wakeups, changes, alice)
        await wakeups.publish([PublishedEffect(alice, 1, EffectKind.ORDER, {})])
        assert await changes.next(5)


async def test_watching_again_after_the_end_works(wakeups: Any) -> None:
    alice = uuid4()
    for _ in range(2):
        async with wakeups.watch(alice) as changes:
            await woken(wakeups, changes, alice)


async def test_publishers_learn_that_wakeups_are_away(away: Any) -> None:
    alice = uuid4()
    async with away.watch(alice) as changes:
        assert not await changes.next(0.01)
        with pytest.raises(UnavailableError):
            await away.changed([alice])
        with pytest.raises(UnavailableError):
            await away.publish([PublishedEffect(alice, 1, EffectKind.ORDER, {})])
