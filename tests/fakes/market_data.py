"""Market data in memory: the shards that ingest keeps, history, and what was parked and pushed."""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import msgspec

from shared.composition.market_data import MarketDataPorts
from shared.domain.errors import UnavailableError
from shared.domain.market_data.book import Changes, ShardBook
from shared.domain.market_data.shards import ShardState
from shared.ports.candles import CandleHour
from shared.ports.market import Market
from shared.ports.market_push import ShardChange
from shared.ports.parked_events import ParkedEvent


@dataclass
class MemoryMarketShards:
    """`MarketShards` in memory."""

    stored: dict[str, ShardBook] = field(default_factory=dict)
    is_away: bool = False
    versions: int = 0

    async def load(self, shards: Collection[str]) -> Mapping[str, ShardBook]:
        self._refuse_while_away()
        return {shard: deepcopy(self.stored.get(shard, ShardBook(shard))) for shard in shards}

    async def commit(self, books: Sequence[ShardBook]) -> Sequence[bool]:
        self._refuse_while_away()
        return [self._commit(book) for book in books]

    def _commit(self, book: ShardBook) -> bool:
        if self.stored.get(book.shard, ShardBook(book.shard)).version != book.version:
            return False
        self.versions += 1
        book.version = str(self.versions).encode()
        self.stored[book.shard] = replace(deepcopy(book), changes=Changes())
        return True

    def _refuse_while_away(self) -> None:
        if self.is_away:
            raise UnavailableError("away", retry_after_s=1)


@dataclass
class MemoryHistory:
    """`CandleHistory` in memory."""

    documents: dict[tuple[str, int], CandleHour] = field(default_factory=dict)
    is_away: bool = False

    async def hours(self, instrument_id: str, first: int, last: int) -> Sequence[CandleHour]:
        if self.is_away:
            raise UnavailableError("away", retry_after_s=1)
        found = [each for (of, hour), each in self.documents.items() if of == instrument_id]
        return sorted((each for each in found if first <= each.hour <= last), key=lambda each: each.hour)

    async def put(self, hour: CandleHour) -> bool:
        if self.is_away:
            raise UnavailableError("away", retry_after_s=1)
        key = (hour.instrument_id, hour.hour)
        held = self.documents.get(key)
        if (None if held is None else held.etag) != hour.etag:
            return False
        version = int(hour.etag or "0") + 1
        self.documents[key] = msgspec.structs.replace(hour, candles=tuple(hour.candles), etag=str(version))
        return True


@dataclass
class ListedParkedEvents:
    """`ParkedEvents` as a list."""

    events: list[ParkedEvent] = field(default_factory=list)

    async def park(self, events: Sequence[ParkedEvent]) -> None:
        self.events += events


def a_market_data(market: Market) -> MarketDataPorts:
    """The ports of an ingest that nothing is sent to."""
    return MarketDataPorts(MemoryMarketShards(), ListedParkedEvents(), resends=None, history=None, market=market)


@dataclass
class ListedPush:
    """`MarketPush` as a list."""

    changes: list[ShardChange] = field(default_factory=list)
    mute: list[ShardState] = field(default_factory=list)

    async def changed(self, changes: Sequence[ShardChange]) -> None:
        self.changes += changes

    async def stale(self, shards: Sequence[ShardState]) -> None:
        self.mute += shards
