"""Candles in memory, as readers see them."""

from collections import defaultdict
from collections.abc import Sequence

from shared.domain.errors import UnavailableError
from shared.domain.market_data.candles import Candle, hour_of
from shared.ports.candles import CandleHour, RecentCandles
from tests.fakes.market_data import MemoryHistory


class Live:
    """`LiveCandles` in memory."""

    def __init__(
        self, candles: Sequence[Candle] = (), incomplete_from: int | None = None, *, away: bool = False
    ) -> None:
        self.answer = RecentCandles(candles, incomplete_from)
        self.away = away

    async def recent(self, instrument_id: str) -> RecentCandles:
        if self.away:
            raise UnavailableError("Redis is not available", retry_after_s=1)
        return self.answer


def history_of(candles: Sequence[Candle] = (), instrument_id: str = "NSE:INFY") -> MemoryHistory:
    """`CandleHistory` with these candles of one instrument."""
    hours: dict[int, list[Candle]] = defaultdict(list)
    for candle in candles:
        hours[hour_of(candle.start)].append(candle)
    return MemoryHistory(
        {(instrument_id, hour): CandleHour(instrument_id, hour, members, "1") for hour, members in hours.items()}
    )
