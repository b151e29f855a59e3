"""`DispatchHints`: whoever listens is woken, and who sends knows whether anybody does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.client import connect
from shared.adapters.redis.dispatch_hints import RedisDispatchHints
from tests.fakes.dispatch_hints import MemoryDispatchHints
from tests.support.waiting import eventually


@pytest.fixture
async def memory_hints() -> MemoryDispatchHints:
    return MemoryDispatchHints()


@pytest.fixture
async def redis_hints(redis: Redis) -> AsyncIterator[RedisDispatchHints]:
    made = RedisDispatchHints(redis)
    yield made
    await made.close()


@pytest.fixture(params=["memory", "redis"])
def hints(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_hints")


async def test_listener_is_woken_by_each_hint(hints: Any) -> None:
    assert not await hints.orders_wait()
    woken = asyncio.Event()
    hints.listen(woken.set)
    await eventually(hints.orders_wait)
    woken.clear()
    assert await hints.orders_wait()
    async with asyncio.timeout(5):
        await woken.wait()


async def test_listening_again_replaces_what_is_woken(hints: Any) -> None:
    before, now = asyncio.Event(), asyncio.Event()
    hints.listen(before.set)
    await eventually(hints.orders_wait)
    hints.listen(now.set)
    before.clear()
    assert await hints.orders_wait()
    async with asyncio.timeout(5):
        await now.wait()
    assert not before.is_set()


async def test_lost_connection_is_renewed_and_wakes(redis_hints: RedisDispatchHints, redis: Redis) -> None:
    woken = asyncio.Event()
    redis_hints.listen(woken.set)
    await eventually(redis_hints.orders_wait)
    woken.clear()
    await redis.client_kill_filter(_type="pubsub")
    async with asyncio.timeout(5):
        await woken.wait()
    await eventually(redis_hints.orders_wait)


async def test_nobody_is_reached_while_redis_is_away() -> None:
    client = connect("redis://127.0.0.1:9/0")
    hints = RedisDispatchHints(client)
    assert [await hints.orders_wait() for _ in range(3)] == [False] * 3
    await client.aclose()
