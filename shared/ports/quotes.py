"""Reading quotes and the state of shards, and waking up when a shard changes."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardState


class Quotes(Protocol):
    """The newest quotes. While the store is away the last known ones of this process are answered: never an error."""

    async def quotes(self, instrument_ids: Collection[str]) -> Mapping[str, Quote]:
        """The newest quote of each instrument; an instrument without any is left out. One round trip."""

    async def shards(self, shards: Collection[str]) -> Mapping[str, ShardState]:
        """What the newest heartbeat of each shard said; a shard that was never heard of is left out.

        Whether a quote is stale is the age of its shard's heartbeat (`ShardState.is_stale`), which also grows while
        the store is away. A shard that is left out counts as stale.
        """

    async def first_to_notice(self, mute: ShardState) -> bool:
        """True for the first caller of any process that reports the silence after this heartbeat, False for all others.

        For those who publish staleness, once. False also while the store is away.
        """


class ShardChanges(Protocol):
    """One watcher's view of its shards."""

    async def next(self, timeout_s: float) -> frozenset[str]:
        """Wait for a change of any watched shard; the shards that changed since the last call, empty after `timeout_s`.

        A heartbeat is no change unless the phase or the epoch moved with it.
        """


class MarketWakeups(Protocol):
    """Hints between processes that a shard has new quotes.

    One may be lost or come twice: a waiting caller reads the quotes after it began to watch, and again now and then.
    """

    def watch(self, shards: Collection[str]) -> AbstractAsyncContextManager[ShardChanges]:
        """Watch the shards from the moment the context is entered; read the quotes only after that. Never raises."""
