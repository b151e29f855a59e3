"""Who moved most: gainers, losers and the most active, of every instrument with a quote."""

import heapq
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from shared.application.quotes.board import KnownQuote, QuoteBoard
from shared.application.quotes.read import no_quotes
from shared.batching import Batcher
from shared.contracts.quote_writing import join_quotes
from shared.domain.market_data.quotes import Quote

MOST: Final = 50
_KEEP_S: Final = 1.0
_ALL: Final = 100_000
_BILLION: Final = 1_000_000_000


class Movers:
    """The use case. The ranking is made once a second, however many ask."""

    def __init__(self, board: QuoteBoard, *, keep_s: float = _KEEP_S) -> None:
        self._board = board
        self._keep_s = keep_s
        self._ranked: list[list[KnownQuote]] = []
        self._trade_date = date.min
        self._ranked_at = -keep_s
        self._rankings: Batcher[None, None] = Batcher(self._rank, most=_ALL, at_once=1)

    async def get(self, limit: int) -> bytes:
        """A `MoversView`. Raises UnavailableError when no instrument has a quote."""
        if not self._is_fresh():
            await self._rankings.submit(None)
        gainers, losers, most_active = [join_quotes("ohlc", ranked[:limit]) for ranked in self._ranked]
        on = self._trade_date.isoformat().encode()
        lists = (gainers, losers, most_active)
        return b'{"trade_date":"%b","gainers":[%b],"losers":[%b],"most_active":[%b]}' % (on, *lists)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._ranked_at < self._keep_s

    async def _rank(self, callers: Sequence[None]) -> Sequence[None]:
        if not self._is_fresh():
            shards = self._board.shards
            found = await self._board.read(
                instrument_id for shard in shards.shards for instrument_id in shards.instruments_of(shard)
            )
            if not found:
                raise no_quotes()
            self._trade_date = max(known.written.quote.trade_date for known in found.values())
            today = [known for known in found.values() if known.written.quote.trade_date == self._trade_date]
            self._ranked = [_first(today, figure) for figure in (_rise, _fall, _turnover)]
            self._ranked_at = time.monotonic()
        return [None] * len(callers)


def _first(known: Sequence[KnownQuote], figure: Callable[[Quote], int]) -> list[KnownQuote]:
    """Those with the greatest figures above zero."""
    moved = [each for each in known if figure(each.written.quote) > 0]
    return heapq.nlargest(MOST, moved, key=lambda each: figure(each.written.quote))


def _rise(quote: Quote) -> int:
    """In billionths of the previous close."""
    if quote.last_price is None or not quote.previous_close:
        return 0
    return (quote.last_price - quote.previous_close) * _BILLION // quote.previous_close


def _fall(quote: Quote) -> int:
    return -_rise(quote)


def _turnover(quote: Quote) -> int:
    return quote.turnover
