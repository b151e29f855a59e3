"""Instruments as clients find them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from shared.contracts.instruments import InstrumentView, PriceBand
from shared.domain.errors import NotFoundError
from shared.domain.instruments.instrument import Instrument, price_band
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.instruments.search import rank
from shared.domain.money import format_rupees
from shared.domain.prices import PriceSource
from shared.domain.times import wire_microseconds
from shared.ports.market import Market
from shared.ports.prices import Price, Prices


class InstrumentPosition(NamedTuple):
    """A place in a list of instruments: how well one matches, and its id."""

    rank: int
    instrument_id: str


class Instruments:
    """The use cases."""

    def __init__(self, instruments: InstrumentMaster, prices: Prices, market: Market) -> None:
        self._instruments = instruments
        self._prices = prices
        self._market = market

    async def page(
        self, words: str | None, after: InstrumentPosition | None, limit: int
    ) -> tuple[Sequence[InstrumentView], InstrumentPosition | None]:
        """Instruments of the present or next session behind `after`, and where the next page begins.

        With `words` those that match (see `search`), the best matches first; else all, by id.
        """
        dates = (await self._market.time()).trade_dates(datetime.now(UTC))
        matching = sorted(self._matching(words, dates), key=lambda each: each[0])
        behind = [each for each in matching if after is None or each[0] > after]
        shown = [instrument for _, instrument in behind[:limit]]
        prices = await self._price_all(shown, dates)
        end = behind[limit - 1][0] if len(behind) > limit else None
        return [_view(each, dates[each.segment], prices) for each in shown], end

    def _matching(
        self, words: str | None, dates: Mapping[str, date]
    ) -> Iterator[tuple[InstrumentPosition, Instrument]]:
        for instrument in self._instruments.list_active(dates):
            place = 0 if words is None else rank(instrument, words)
            if place is not None:
                yield InstrumentPosition(place, instrument.instrument_id), instrument

    async def get(self, instrument_id: str) -> InstrumentView:
        """One instrument of the present or next session. Raises NotFoundError."""
        market = await self._market.time()
        on = market.of(self._instruments.segment_of(instrument_id)).trade_date(datetime.now(UTC))
        instrument = self._instruments.find(instrument_id, on)
        if instrument is None or not instrument.is_active(on):
            raise NotFoundError("There is no such instrument today: see GET /api/instruments")
        return _view(instrument, on, await self._prices.prices([instrument_id], on))

    async def _price_all(self, shown: Sequence[Instrument], dates: Mapping[str, date]) -> Mapping[str, Price]:
        by_date: defaultdict[date, list[str]] = defaultdict(list)
        for instrument in shown:
            by_date[dates[instrument.segment]].append(instrument.instrument_id)
        found: dict[str, Price] = {}
        for on, instrument_ids in by_date.items():
            found |= await self._prices.prices(instrument_ids, on)
        return found


def _view(instrument: Instrument, on: date, prices: Mapping[str, Price]) -> InstrumentView:
    low, high = price_band(instrument)
    fallback = Price(instrument.reference_price_paise, PriceSource.REFERENCE)
    price = prices.get(instrument.instrument_id, fallback)
    return InstrumentView(
        instrument_id=instrument.instrument_id,
        venue=instrument.venue,
        symbol=instrument.symbol,
        isin=instrument.isin,
        name=instrument.name,
        segment=instrument.segment,
        trade_date=on.isoformat(),
        reference_price=format_rupees(instrument.reference_price_paise),
        tick_size=format_rupees(instrument.tick_size_paise),
        lot_size=instrument.lot_size,
        price_band=PriceBand(low=format_rupees(low), high=format_rupees(high)),
        freeze_quantity=instrument.freeze_quantity,
        futures_and_options=instrument.futures_and_options,
        price=format_rupees(price.paise),
        price_source=price.source,
        price_as_of=None if price.as_of is None else wire_microseconds(price.as_of),
    )
