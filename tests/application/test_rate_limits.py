"""The limits table applied to a counter."""

import pytest

from shared.adapters.redis.rate_limits import LocalRequestCounter
from shared.adapters.reference import load_reference_data
from shared.application.rate_limits import RateLimits
from shared.domain.errors import RateLimitedError
from shared.ports.rate_limits import Count, RateLimit
from tests.edge.support import ALICE, BOB


@pytest.fixture
async def limiter() -> RateLimits:
    return RateLimits(LocalRequestCounter(), load_reference_data().rate_limits)


async def test_user_gets_as_many_calls_as_the_table_says(limiter: RateLimits) -> None:
    spent = [await limiter.spend(ALICE, "POST /api/orders") for _ in range(60)]
    assert (spent[0], spent[-1].remaining) == (RateLimit(60, 59, 60), 0)
    with pytest.raises(RateLimitedError) as caught:
        await limiter.spend(ALICE, "POST /api/orders")
    assert caught.value.retry_after_s == 60
    assert caught.value.details == {"limit": 60, "window_s": 60}


async def test_users_and_routes_are_counted_apart(limiter: RateLimits) -> None:
    for _ in range(30):
        await limiter.spend(ALICE, "DELETE /api/orders/{order_id}")
    with pytest.raises(RateLimitedError):
        await limiter.spend(ALICE, "DELETE /api/orders/{order_id}")
    await limiter.spend(BOB, "DELETE /api/orders/{order_id}")
    await limiter.spend(ALICE, "POST /api/orders")


async def test_route_without_a_limit_of_its_own_has_the_default(limiter: RateLimits) -> None:
    assert (await limiter.spend(ALICE, "GET /api/instruments/{instrument_id}")).limit == 60


async def test_refused_calls_have_a_limit_of_their_own(limiter: RateLimits) -> None:
    for _ in range(60):
        await limiter.refused(ALICE)
    with pytest.raises(RateLimitedError, match="60 refused calls a minute"):
        await limiter.refused(ALICE)
    await limiter.spend(ALICE, "POST /api/orders")
    await limiter.refused(BOB)


class _SkewedCounter:
    """Another instance's clock is ahead of ours."""

    async def count(self, key: str, limit: int) -> Count:
        return Count(allowed=False, remaining=0, reset_s=60.004)


async def test_nobody_waits_longer_than_the_window() -> None:
    limiter = RateLimits(_SkewedCounter(), load_reference_data().rate_limits)

    with pytest.raises(RateLimitedError) as caught:
        await limiter.spend(ALICE, "POST /api/orders")
    assert caught.value.retry_after_s == 60
