"""Mute shards: whoever sees the silence first, in any process, has it pushed to clients, once."""

import asyncio
from collections.abc import Iterable

from shared.domain.market_data.shards import ShardState
from shared.ports.market_push import MarketPush
from shared.ports.quotes import Quotes


class Silence:
    """One process's share of that; without a push nobody is to be reached."""

    def __init__(self, quotes: Quotes, push: MarketPush | None) -> None:
        self._quotes = quotes
        self._push = push
        self._noticed: dict[str, int] = {}
        self._reporting: set[asyncio.Task[None]] = set()

    def notice(self, mute: Iterable[ShardState]) -> None:
        """These shards are mute since their heartbeat. Nobody waits for the report."""
        for state in mute:
            if self._push is not None and self._noticed.get(state.shard) != state.sent_at:
                self._noticed[state.shard] = state.sent_at
                task = asyncio.create_task(self._report(state, self._push))
                self._reporting.add(task)
                task.add_done_callback(self._reporting.discard)

    async def _report(self, state: ShardState, push: MarketPush) -> None:
        if await self._quotes.first_to_notice(state):
            await push.stale([state])
