"""The prices that holdings and positions are valued at."""

from collections.abc import Collection, Mapping
from datetime import date

from shared.domain.instruments.master import InstrumentMaster
from shared.domain.prices import PriceSource
from shared.ports.prices import Price


class ReferencePrices:
    """`Prices` from the instrument master alone, for as long as no market feed is connected."""

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
