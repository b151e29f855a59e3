"""Whether the market feed arrives, for the health check."""

import time
from datetime import UTC, datetime
from typing import Final

from shared.contracts.health import DependencyState
from shared.domain.market_data.shards import ShardMap
from shared.ports.market import Market
from shared.ports.quotes import Quotes

_LATE_S: Final = 2.0
"""From the venue to Redis; normally it is a few hundredths of a second."""


async def judge_feed(quotes: Quotes, shards: ShardMap, market: Market) -> DependencyState:
    """DOWN while every shard is mute, DEGRADED while one is, or behind the venue. A closed market may be silent.

    Raises UnavailableError without the market's clock.
    """
    clock, now = await market.time(), time.time()
    states = await quotes.shards(shards.shards)
    if not any(clock.of(segment).is_open(datetime.now(UTC)) for segment in clock.calendars):
        return DependencyState.UP
    mute = [shard for shard in shards.shards if shard not in states or states[shard].is_stale(now)]
    if len(mute) == len(shards.shards):
        return DependencyState.DOWN
    ahead_us = clock.offset.total_seconds() * 1_000_000
    late = [each for each in states.values() if each.received_at - each.sent_at + ahead_us > _LATE_S * 1_000_000]
    return DependencyState.DEGRADED if mute or late else DependencyState.UP
