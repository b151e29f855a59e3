"""The newest quotes as this process last read them: read once for all who ask meanwhile, and kept for a moment.

What is kept is the last known state too: while the store is unavailable, quotes are answered from here and grow stale.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from shared.batching import Batcher
from shared.contracts.quote_writing import WrittenQuote
from shared.domain.errors import UnavailableError
from shared.domain.market_data.quotes import SessionPhase
from shared.domain.market_data.shards import ShardMap, ShardState
from shared.ports.market import Market
from shared.ports.quotes import Quotes

KEEP_S: Final = 0.25
"""100 processes that each read 256 shards so often ask Redis for 102,400 shards a second."""
_ALL: Final = 100_000


class KnownQuote(NamedTuple):
    """A quote, and whether its feed is mute."""

    written: WrittenQuote
    stale: bool


class QuoteBoard:
    """One process's copy, by shard."""

    def __init__(
        self,
        quotes: Quotes,
        shards: ShardMap,
        market: Market,
        *,
        keep_s: float = KEEP_S,
        notice: Callable[[Sequence[ShardState]], None] = lambda _: None,
    ) -> None:
        self._source = quotes
        self._shards = shards
        self._market = market
        self._keep_s = keep_s
        self._notice = notice
        self._quotes: dict[str, WrittenQuote] = {}
        self._states: dict[str, ShardState] = {}
        self._read_at: dict[str, float] = {}
        self._readings: Batcher[Collection[str], None] = Batcher(self._read, most=_ALL)

    @property
    def shards(self) -> ShardMap:
        """Which instruments there are quotes of."""
        return self._shards

    def shards_of(self, instrument_ids: Iterable[str]) -> dict[str, str]:
        """The shard of each instrument, by instrument; what is in no shard is left out."""
        return self._shards.shards_of(instrument_ids)

    async def read(self, instrument_ids: Iterable[str], *, keep_s: float | None = None) -> dict[str, KnownQuote]:
        """The quotes of these instruments as they were at most `keep_s` ago; without one an instrument is left out."""
        shard_of = self.shards_of(instrument_ids)
        shards = set(shard_of.values())
        await self._refresh(shards, self._keep_s if keep_s is None else keep_s)
        stale = await self.staleness(shards)
        known = self._quotes
        return {each: KnownQuote(known[each], stale[shard]) for each, shard in shard_of.items() if each in known}

    async def read_again(self, shards: Collection[str]) -> None:
        """Read these shards by a reading that begins after this call."""
        await self._readings.submit(shards)

    def last_known(self, instrument_id: str) -> tuple[WrittenQuote, ShardState] | None:
        """What this process knows without reading anything; None: nothing."""
        written, state = self._quotes.get(instrument_id), self._states.get(self._shards.shard_of(instrument_id) or "")
        return None if written is None or state is None else (written, state)

    async def states(self) -> Mapping[str, ShardState]:
        """The state of every shard whose heartbeat was ever received."""
        await self._refresh(self._shards.shards, self._keep_s)
        return self._states

    async def staleness(self, shards: Iterable[str]) -> dict[str, bool]:
        """Whether each shard is mute. Silence after the close, while the market is closed, is none."""
        now = time.time()
        found = {shard: self._states.get(shard) for shard in shards}
        stale = {shard: state is None or state.is_stale(now) for shard, state in found.items()}
        after_close = [
            shard
            for shard, state in found.items()
            if stale[shard] and state is not None and state.phase is SessionPhase.CLOSED
        ]
        if after_close and not await self._is_open():
            stale |= dict.fromkeys(after_close, False)
        self._notice([state for shard, state in found.items() if stale[shard] and state is not None])
        return stale

    async def look(self, shards: Collection[str]) -> None:
        """Notice which of these shards are mute."""
        await self._refresh(shards, self._keep_s)
        await self.staleness(shards)

    async def _refresh(self, shards: Collection[str], keep_s: float) -> None:
        oldest = time.monotonic() - keep_s
        due = [shard for shard in shards if self._read_at.get(shard, oldest) <= oldest]
        if due:
            await self._readings.submit(due)

    async def _read(self, asked: Sequence[Collection[str]]) -> Sequence[None]:
        shards = list(dict.fromkeys(shard for each in asked for shard in each))
        instrument_ids = [each for shard in shards for each in self._shards.instruments_of(shard)]
        began = time.monotonic()
        quotes, states = await asyncio.gather(self._source.quotes(instrument_ids), self._source.shards(shards))
        known = self._quotes
        for instrument_id, quote in quotes.items():
            before = known.get(instrument_id)
            if before is not None and (before.quote is quote or before.quote.mark >= quote.mark):
                continue  # unchanged, or from a store that was set back, which must not set clients back
            known[instrument_id] = WrittenQuote(quote)
        self._states |= {
            shard: state
            for shard, state in states.items()
            if shard not in self._states or self._states[shard].received_at <= state.received_at
        }
        self._read_at |= dict.fromkeys(shards, began)
        return [None] * len(asked)

    async def _is_open(self) -> bool:
        try:
            market, at = await self._market.time(), datetime.now(UTC)
            return any(market.of(segment).is_open(at) for segment in market.calendars)
        except UnavailableError:
            return False
