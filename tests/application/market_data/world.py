"""Ingest with every port in memory."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from shared.application.market_data.closing import Closing
from shared.application.market_data.ingest import MarketData
from shared.application.market_data.lag import Lag
from shared.application.market_data.repairs import Repairs
from shared.contracts.market_feed import Frame, encode
from shared.domain.market_data.candles import Candle, CandleKey
from shared.domain.market_data.shards import ShardMap
from shared.ports.market_shards import MarketShards
from shared.ports.parked_events import FeedEvent
from shared.ports.resends import Resends
from tests.fakes.market import FixedMarket
from tests.fakes.market_data import ListedParkedEvents, ListedPush, MemoryHistory, MemoryMarketShards
from tests.support.tape import Figures, Tape

SHARD, INFY, TCS = "s000", "NSE:INFY", "NSE:TCS"


async def written() -> None:
    """What was begun beside the batches has ended."""
    me = asyncio.current_task()
    await asyncio.gather(*(each for each in asyncio.all_tasks() if each is not me))


def events_of(frames: Iterable[Frame | bytes], partition: str = "0") -> list[FeedEvent]:
    at = datetime.now(UTC)
    offsets = count()
    return [
        FeedEvent(partition, str(next(offsets)), at, each if isinstance(each, bytes) else encode(each))
        for each in frames
    ]


@dataclass
class Ingest:
    """One venue, its tape, and one or more processes that take its feed."""

    tape: Tape = field(default_factory=lambda: Tape(SHARD, (INFY, TCS)))
    store: MemoryMarketShards = field(default_factory=MemoryMarketShards)
    history: MemoryHistory | None = None
    parked: ListedParkedEvents = field(default_factory=ListedParkedEvents)
    push: ListedPush = field(default_factory=ListedPush)
    resends: Resends | None = None

    def __post_init__(self) -> None:
        self.data = self.process()

    def process(self, store: MarketShards | None = None) -> MarketData:
        """One more process on the same store."""
        shards = ShardMap((self.tape.shard, each) for each in self.tape.instruments)
        repairs, closing = Repairs(self.resends or self.tape), Closing(self.history)
        lag = Lag(FixedMarket(), every_s=1e9)
        return MarketData(shards, store or self.store, self.parked, repairs, closing, lag, self.push)

    async def take(self, *frames: Frame | bytes) -> None:
        await self.data.ingest(events_of(frames))
        await written()

    async def settle(self) -> None:
        """The newest keyframe and a heartbeat arrive."""
        await self.take(self.tape.windows(), self.tape.keyframe(), self.tape.heartbeat())

    def candles(self, instrument_id: str = INFY) -> dict[CandleKey, Candle]:
        return self.store.stored[self.tape.shard].candles.get(instrument_id, {})

    def figures(self, instrument_id: str = INFY) -> dict[CandleKey, Figures]:
        return {key: figures(candle) for key, candle in self.candles(instrument_id).items()}


def figures(candle: Candle) -> Figures:
    return candle.open, candle.high, candle.low, candle.close, candle.volume, candle.turnover, candle.trades
