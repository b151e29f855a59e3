"""What ingest keeps of each shard, changed in one atomic step."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from shared.domain.market_data.book import ShardBook


class MarketShards(Protocol):
    """The only writer of quotes and open candles."""

    async def load(self, shards: Collection[str]) -> Mapping[str, ShardBook]:
        """Each shard as it is stored; an unknown one is empty. Raises UnavailableError after a bounded wait."""

    async def commit(self, books: Sequence[ShardBook]) -> Sequence[bool]:
        """Store the changes of each book, all or none of one book's, and wake the watchers of those announced.

        True: stored, and the book may be changed and committed again. False: somebody else has changed the shard since
        it was loaded, and nothing of the book is stored. Raises UnavailableError after a bounded wait; it is then
        unknown what was stored, and the shards have to be loaded again.
        """
