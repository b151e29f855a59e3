"""Publishing market data to clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardState


@dataclass(frozen=True, slots=True)
class ShardChange:
    """What one applied batch changed in a shard."""

    shard: str
    quotes: Sequence[Quote]
    """The newest quote of each instrument that changed, at most one each; may be empty."""
    state: ShardState | None
    """The shard's newest heartbeat when the batch had one: the moment to send what was held back by a rate."""


class MarketPush(Protocol):
    """Sends changes to clients. Neither verb raises or waits long: a failure is logged and costs clients one update."""

    async def changed(self, changes: Sequence[ShardChange]) -> None:
        """Called once after each applied batch, with one change for each shard in it.

        The same change may come twice, and changes of two batches in the wrong order: (epoch, sequence) of a quote
        decides.
        """

    async def stale(self, shards: Sequence[ShardState]) -> None:
        """These shards are mute since their heartbeat; called by whoever was `first_to_notice`."""
