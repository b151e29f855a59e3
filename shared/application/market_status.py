"""Whether the market is open, and whether quotes arrive."""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.application.quotes.board import QuoteBoard
from shared.contracts.quotes import FeedState, FeedView, MarketStatusView, SegmentState, SegmentStatusView
from shared.domain.market_data.shards import ShardState
from shared.domain.sessions import SegmentTime
from shared.domain.times import wire_microseconds, wire_time
from shared.ports.market import Market


class MarketStatus:
    """The use case."""

    def __init__(self, board: QuoteBoard, market: Market) -> None:
        self._board = board
        self._market = market

    async def get(self) -> MarketStatusView:
        """Session and feed at this instant. Raises UnavailableError without the market's clock."""
        market, at = await self._market.time(), datetime.now(UTC)
        segments = [_segment(segment, market.of(segment), at) for segment in market.calendars]
        return MarketStatusView(
            now=wire_time(at + market.offset), segments=segments, feed=await self._feed(await self._board.states())
        )

    async def _feed(self, states: Mapping[str, ShardState]) -> FeedView:
        stale = [shard for shard, mute in (await self._board.staleness(self._board.shards.shards)).items() if mute]
        if not states:
            return FeedView(state=FeedState.UNKNOWN, stale_shards=stale, as_of=None)
        all_of_them = len(stale) == len(self._board.shards.shards)
        return FeedView(
            state=FeedState.STALE if all_of_them else FeedState.DEGRADED if stale else FeedState.LIVE,
            stale_shards=stale,
            as_of=wire_microseconds(max(state.sent_at for state in states.values())),
        )


def _segment(segment: str, time: SegmentTime, at: datetime) -> SegmentStatusView:
    trade_date = time.trade_date(at)
    return SegmentStatusView(
        segment=segment,
        market=SegmentState.OPEN if time.is_open(at) else SegmentState.CLOSED,
        trade_date=trade_date.isoformat(),
        opens_at=wire_time(time.next_open(at)),
        closes_at=wire_time(time.session_end(trade_date)),
    )
