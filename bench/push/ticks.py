"""How long a tick takes from the feed to a client that shows its instrument: ingest, Redis, service, WebSocket."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import orjson
import structlog

from bench.brokers import BenchmarkError
from bench.market_data.frames import SHARDS, Market, instrument, members, name
from bench.push.hub import Opened, opened
from shared.adapters.redis.client import connect
from shared.adapters.redis.leases import RedisLeases
from shared.adapters.redis.market_shards import RedisMarketShards
from shared.adapters.signalr.market import SignalRMarketPush
from shared.adapters.signalr.memberships import SignalRMemberships
from shared.adapters.signalr.service import SignalRService
from shared.application.market_data.ingest import MarketData
from shared.composition.market_data import MarketDataPorts, wire_market_data
from shared.domain.market_data.groups import page_group, status_group
from shared.domain.market_data.shards import ShardMap
from shared.domain.push import Hub
from shared.ports.parked_events import FeedEvent
from tests.fakes.market import FixedMarket
from tests.fakes.market_data import ListedParkedEvents
from tests.support.valkey import running_valkey

TICKS_PER_S = 2_000
_FRAMES_PER_S = 250
_SHOWN = 40
"""Instruments on the client's pages, each of a shard of its own."""
_LAST_S = 2.0


class _Watch:
    """When each quote was to be sent, and how long it took to the client."""

    def __init__(self) -> None:
        self.planned: dict[tuple[str, int], float] = {}
        self.waits_ms: list[float] = []

    async def listen(self, hub: Opened) -> None:
        async for data in hub.socket:
            now = time.perf_counter()
            for record in str(data).split("\x1e"):
                message = orjson.loads(record) if record else {}
                quotes = message["arguments"][0]["quotes"] if message.get("target") == "quotes" else ()
                keys = [(quote["instrument_id"], quote["sequence"]) for quote in quotes]
                self.waits_ms.extend((now - self.planned[key]) * 1000 for key in keys)

    async def feed(self, data: MarketData, market: Market, seconds: float) -> None:
        """Hand frames over as they are due, all that are due together."""
        places = range(TICKS_PER_S // _FRAMES_PER_S)
        frames = [market.windows(number % SHARDS, places) for number in range(int(seconds * _FRAMES_PER_S))]
        began, done = time.perf_counter(), 0
        while done < len(frames):
            due = min(len(frames), int((time.perf_counter() - began) * _FRAMES_PER_S))
            if due <= done:
                await asyncio.sleep(0.001)
                continue
            for number in range(done, due):
                # The n-th frame of a shard has the n-th event of its instruments.
                event = instrument(number % SHARDS, 0), number // SHARDS + 1
                self.planned[event] = began + number / _FRAMES_PER_S
            await data.ingest([FeedEvent("0", "0", None, each.body) for each in frames[done:due]])
            done = due
        await asyncio.sleep(_LAST_S)


async def measure(service: SignalRService, folder: Path, seconds: float) -> list[float]:
    """Milliseconds from each frame's planned instant until the client has its quote."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with running_valkey(folder) as url:
        redis, shards, watch = connect(url), ShardMap(members()), _Watch()
        leases = RedisLeases(redis)
        push = SignalRMarketPush(service, leases)
        parked, stored = ListedParkedEvents(), RedisMarketShards(redis, shards)
        data = wire_market_data(MarketDataPorts(stored, parked, None, None, FixedMarket(), push), shards)
        market = Market(1)
        await data.ingest([FeedEvent("0", "0", None, each.body) for each in market.opening()])
        hub = await _subscribed(service, leases)
        listening = asyncio.create_task(watch.listen(hub))
        await watch.feed(data, market, seconds)
        await hub.socket.close()
        await listening
        await redis.aclose()
    if len(watch.waits_ms) < seconds * _SHOWN * _FRAMES_PER_S / SHARDS / 2:
        raise BenchmarkError("the quotes did not arrive")
    return watch.waits_ms


async def _subscribed(service: SignalRService, leases: RedisLeases) -> Opened:
    """A client with the pages of some instruments open."""
    user = uuid4()
    access = await service.admit(Hub.MARKET, user, [])
    hub = await opened(access.url, access.token)
    groups = {page_group(instrument(shard, 0)) for shard in range(_SHOWN)}
    groups |= {status_group(name(shard)) for shard in range(_SHOWN)}
    await SignalRMemberships(service, leases).change(hub.connection_id, user, groups, None)
    return hub
