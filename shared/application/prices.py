"""Prices of the market feed, and of the instrument master where the feed has none."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

from shared.application.quotes.board import KnownQuote, QuoteBoard
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.prices import PriceSource
from shared.ports.prices import Price

_KEEP_S: Final = 1.0
"""Each process reads a shard's prices once a second, whatever it is asked: no order waits for a reading of its own."""


class ReferencePrices:
    """`Prices` from the instrument master alone."""

    def __init__(self, instruments: InstrumentMaster) -> None:
        self._instruments = instruments

    async def prices(self, instrument_ids: Collection[str], on: date) -> Mapping[str, Price]:
        """See `Prices.prices`."""
        found = ((instrument_id, self._instruments.find(instrument_id, on)) for instrument_id in instrument_ids)
        return {
            instrument_id: Price(instrument.reference_price_paise, PriceSource.REFERENCE)
            for instrument_id, instrument in found
            if instrument is not None
        }


class LivePrices:
    """`Prices` and `LastPrices` of the market feed, as this process knows them."""

    def __init__(self, board: QuoteBoard, reference: ReferencePrices) -> None:
        self._board = board
        self._reference = reference

    async def prices(self, instrument_ids: Collection[str], on: date) -> Mapping[str, Price]:
        """See `Prices.prices`."""
        quotes = await self._board.read(instrument_ids)
        live = {each: price for each, known in quotes.items() if (price := _price(known, on)) is not None}
        others = [each for each in instrument_ids if each not in live]
        return {**live, **await self._reference.prices(others, on)}

    async def last_price(self, instrument_id: str) -> int | None:
        """See `LastPrices.last_price`."""
        known = (await self._board.read([instrument_id], keep_s=_KEEP_S)).get(instrument_id)
        return None if known is None or known.stale else known.written.quote.last_price


def _price(known: KnownQuote, on: date) -> Price | None:
    quote = known.written.quote
    if quote.last_price is not None:
        # A quote of an earlier date has not moved on this one.
        before = quote.previous_close if quote.trade_date >= on else quote.last_price
        return Price(quote.last_price, PriceSource.LAST, quote.last_trade_at, known.stale, before)
    if quote.previous_close is not None:
        return Price(quote.previous_close, PriceSource.CLOSE, quote.exchange_time, known.stale, quote.previous_close)
    return None
