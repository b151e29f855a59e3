"""`RequestCounter`: calls are counted exactly over a sliding minute."""

import asyncio
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.rate_limits import LocalRequestCounter, RedisRequestCounter
from shared.ports.rate_limits import WINDOW_S, RequestCounter


@pytest.fixture
async def local_counter() -> RequestCounter:
    return LocalRequestCounter()


@pytest.fixture
async def redis_counter(redis: Redis) -> RequestCounter:
    return RedisRequestCounter(redis)


@pytest.fixture(params=["local", "redis"])
def counter(request: pytest.FixtureRequest) -> RequestCounter:
    return request.getfixturevalue(f"{request.param}_counter")


async def test_limit_is_exact_for_a_burst_of_callers(counter: RequestCounter) -> None:
    key = str(uuid4())
    counts = await asyncio.gather(*(counter.count(key, 10) for _ in range(50)))
    assert sum(count.allowed for count in counts) == 10
    assert max(count.remaining for count in counts) < 10


async def test_remaining_calls_go_down_one_by_one(counter: RequestCounter) -> None:
    key = str(uuid4())
    assert [(await counter.count(key, 3)).remaining for _ in range(4)] == [2, 1, 0, 0]


async def test_keys_are_counted_apart(counter: RequestCounter) -> None:
    counts = await asyncio.gather(*(counter.count(str(uuid4()), 1) for _ in range(300)))
    assert all(count.allowed for count in counts)


async def test_call_returns_when_the_oldest_leaves_the_window(
    counter: RequestCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, clock = str(uuid4()), [1_000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    assert (await counter.count(key, 2)).allowed
    clock[0] += WINDOW_S - 1
    assert (await counter.count(key, 2)).allowed
    full = await counter.count(key, 2)
    assert not full.allowed
    assert 0.5 < full.reset_s <= 1.0
    clock[0] += 1.5
    more = await counter.count(key, 2)
    assert (more.allowed, more.remaining) == (True, 0)
