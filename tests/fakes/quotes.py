"""Quotes in memory, with wake-ups, as ingest and Redis give them to readers."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shared.domain.market_data.quotes import Level, Quote, SessionPhase
from shared.domain.market_data.shards import ShardMap, ShardState

EXCHANGE_TIME = 1_795_408_200_000_001
"""2026-11-23T04:30:00.000001Z."""
SHARDS = ShardMap([("s000", "NSE:INFY"), ("s000", "NSE:TCS"), ("s001", "NSE:M&M"), ("s001", "NSE:ITC")])


def a_quote(instrument_id: str = "NSE:INFY", **changes: Any) -> Quote:
    """A quote of a trading day, but for the changes."""
    values: dict[str, Any] = {
        "instrument_id": instrument_id,
        "epoch": 1,
        "sequence": 1,
        "trade_date": date(2026, 11, 23),
        "exchange_time": EXCHANGE_TIME,
        "phase": SessionPhase.CONTINUOUS,
        "last_price": 150_005,
        "last_quantity": 10,
        "last_trade_at": EXCHANGE_TIME - 1,
        "volume": 300,
        "turnover": 45_000_100,
        "day_open": 149_000,
        "day_high": 151_000,
        "day_low": 148_000,
        "previous_close": 150_325,
        "lower_circuit": 135_000,
        "upper_circuit": 165_000,
        "bids": (Level(150_000, 20, 2), Level(149_990, 5, 1)),
        "asks": (Level(150_010, 7, 1),),
        "total_bid_quantity": 1_000,
        "total_ask_quantity": 900,
    }
    return Quote(**(values | changes))


def a_state(shard: str = "s000", *, age_s: float = 0.0, **changes: Any) -> ShardState:
    """The state that a heartbeat of `age_s` ago left."""
    values: dict[str, Any] = {
        "shard": shard,
        "epoch": 1,
        "trade_date": "2026-11-23",
        "phase": SessionPhase.CONTINUOUS,
        "sent_at": EXCHANGE_TIME,
        "received_at": int((time.time() - age_s) * 1_000_000),
    }
    return ShardState(**(values | changes))


class _Changes:
    """`ShardChanges` of one watcher."""

    def __init__(self) -> None:
        self.shards: set[str] = set()
        self.changed = asyncio.Event()

    async def next(self, timeout_s: float) -> frozenset[str]:
        try:
            async with asyncio.timeout(timeout_s):
                await self.changed.wait()
        except TimeoutError:
            return frozenset()
        self.changed.clear()
        found, self.shards = frozenset(self.shards), set()
        return found


@dataclass
class MemoryQuotes:
    """`Quotes` and `MarketWakeups`. `write` is what ingest does."""

    shard_map: ShardMap = SHARDS
    stored: dict[str, Quote] = field(default_factory=dict)
    states: dict[str, ShardState] = field(default_factory=dict)
    readings: list[frozenset[str]] = field(default_factory=list)
    watches: list[tuple[frozenset[str], _Changes]] = field(default_factory=list)
    loses_hints: bool = False
    noticed: dict[str, int] = field(default_factory=dict)

    async def quotes(self, instrument_ids: Collection[str]) -> Mapping[str, Quote]:
        self.readings.append(frozenset(instrument_ids))
        await asyncio.sleep(0)
        found = {each: self.stored[each] for each in instrument_ids if each in self.stored}
        await asyncio.sleep(0)
        return found

    async def shards(self, shards: Collection[str]) -> Mapping[str, ShardState]:
        await asyncio.sleep(0)
        return {each: self.states[each] for each in shards if each in self.states}

    async def first_to_notice(self, mute: ShardState) -> bool:
        first = self.noticed.get(mute.shard, -1) < mute.received_at
        if first:
            self.noticed[mute.shard] = mute.received_at
        return first

    def write(self, *quotes: Quote) -> None:
        """Store quotes, beat the heart of their shards and wake whoever watches."""
        for quote in quotes:
            shard = self.shard_map.shard_of(quote.instrument_id) or ""
            self.stored[quote.instrument_id] = quote
            self.states[shard] = a_state(shard, epoch=quote.epoch, phase=quote.phase)
            for watched, changes in self.watches:
                if shard in watched and not self.loses_hints:
                    changes.shards.add(shard)
                    changes.changed.set()

    @asynccontextmanager
    async def watch(self, shards: Collection[str]) -> AsyncIterator[_Changes]:
        await asyncio.sleep(0)
        entry = (frozenset(shards), _Changes())
        self.watches.append(entry)
        try:
            yield entry[1]
        finally:
            self.watches.remove(entry)
