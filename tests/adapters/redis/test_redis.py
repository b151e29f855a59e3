"""Rate limits and wake-ups on a real Valkey, and what is left of them when it goes away."""

import socket
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.client import connect
from shared.adapters.redis.rate_limits import RedisRequestCounter
from shared.adapters.redis.wakeups import RedisWakeups
from shared.domain.errors import UnavailableError
from tests.edge.support import ALICE, BOB
from tests.support.waiting import eventually

AWAY = "redis://127.0.0.1:9/0"
_PATIENCE_S = 5.0


@pytest.fixture
async def wakeups(redis: Redis) -> AsyncIterator[RedisWakeups]:
    made = RedisWakeups(redis)
    yield made
    await made.close()


async def test_limit_is_shared_by_all_processes(redis: Redis) -> None:
    key = str(uuid4())
    counters = [RedisRequestCounter(redis) for _ in range(3)]
    counts = [await counter.count(key, 4) for counter in counters * 2]
    assert [count.allowed for count in counts] == [True] * 4 + [False] * 2


async def test_counts_leave_nothing_behind_for_long(redis: Redis) -> None:
    before = set(await redis.keys("rate*"))
    await RedisRequestCounter(redis).count(str(uuid4()), 5)
    [left] = set(await redis.keys("rate*")) - before
    assert 0 < await redis.pttl(left) <= 60_000


async def test_away_redis_costs_one_short_wait() -> None:
    client = connect(AWAY)
    counter = RedisRequestCounter(client)
    started = time.monotonic()
    counts = [await counter.count("k", 3) for _ in range(200)]
    assert time.monotonic() - started < 1.0
    assert [count.allowed for count in counts] == [True] * 3 + [False] * 197
    await client.aclose()


async def test_silent_redis_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        counter = RedisRequestCounter(client)
        started = time.monotonic()
        assert (await counter.count("k", 1)).allowed
        assert not (await counter.count("k", 1)).allowed
        assert time.monotonic() - started < 1.0
        await client.aclose()


async def test_watcher_after_an_idle_hour_is_heard(wakeups: RedisWakeups) -> None:
    async with wakeups.watch(ALICE) as first:
        await wakeups.changed([ALICE])
        assert await first.next(5)
    await eventually(lambda: not wakeups._channels._pubsub.subscribed)
    connection = wakeups._channels._pubsub.connection
    assert connection is not None
    connection.next_health_check = 1.0  # long due
    async with wakeups.watch(BOB) as second:
        await wakeups.changed([BOB])
        assert await second.next(5)


async def publish_until_noticed(wakeups: RedisWakeups, changes: object, users: list[UUID]) -> None:
    """Publish until the watcher notices: a subscription takes a moment, and a hint may be lost."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        await wakeups.changed(users)
        if await changes.next(0.05):  # type: ignore[attr-defined]
            return
    pytest.fail("no watcher noticed")


async def test_watching_ends_with_its_context(wakeups: RedisWakeups, redis: Redis) -> None:
    async with wakeups.watch(ALICE) as alice:
        await publish_until_noticed(wakeups, alice, [ALICE])
    assert not wakeups._channels._watches
    async with wakeups.watch(ALICE) as again:
        await publish_until_noticed(wakeups, again, [ALICE])


async def test_cut_connection_is_subscribed_again(wakeups: RedisWakeups, redis: Redis) -> None:
    async with wakeups.watch(ALICE) as alice:
        await publish_until_noticed(wakeups, alice, [ALICE])
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await publish_until_noticed(wakeups, alice, [ALICE])


async def test_without_redis_watchers_wait_and_publishers_are_told() -> None:
    client = connect(AWAY)
    wakeups = RedisWakeups(client)
    async with wakeups.watch(ALICE) as alice:
        assert not await alice.next(0.01)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await wakeups.changed([ALICE])
    await wakeups.close()
    await client.aclose()
