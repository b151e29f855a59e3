"""The health of the feed, from the heartbeats of two shards."""

import time
from datetime import timedelta

import pytest

from shared.application.market_data.health import judge_feed
from shared.contracts.health import DependencyState as State
from tests.fakes.market import CLOSED, FixedMarket
from tests.fakes.quotes import SHARDS, MemoryQuotes, a_state

_AHEAD = FixedMarket(offset=timedelta(days=3))


def heard(**ages_s: float) -> MemoryQuotes:
    """Quotes whose shards had their newest heartbeat so long ago."""
    sent = int((time.time() + _AHEAD.offset.total_seconds()) * 1_000_000)
    return MemoryQuotes(states={shard: a_state(shard, age_s=age, sent_at=sent) for shard, age in ages_s.items()})


@pytest.mark.parametrize(
    ("ages", "state"),
    [
        ({"s000": 0.5, "s001": 1.0}, State.UP),
        ({"s000": 0.5, "s001": 4.0}, State.DEGRADED),
        ({"s000": 0.5}, State.DEGRADED),
        ({"s000": 4.0, "s001": 60.0}, State.DOWN),
        ({}, State.DOWN),
    ],
)
async def test_mute_shards_degrade_the_feed_and_all_stop_it(ages: dict[str, float], state: State) -> None:
    assert await judge_feed(heard(**ages), SHARDS, _AHEAD) is state
    assert await judge_feed(heard(**ages), SHARDS, CLOSED) is State.UP


async def test_feed_behind_the_venue_is_degraded() -> None:
    quotes = heard(s000=0, s001=0)
    quotes.states["s001"] = a_state("s001", sent_at=quotes.states["s001"].sent_at - 3_000_000)
    assert await judge_feed(quotes, SHARDS, _AHEAD) is State.DEGRADED
