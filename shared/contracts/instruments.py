"""Instruments over HTTP: what is traded on a date, and what an order for it must respect."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from shared.contracts.common import Instant, Page, PageQuery, Rupees, View
from shared.contracts.cursors import INSTRUMENT, RANK, CursorFormat
from shared.domain.prices import PriceSource

INSTRUMENTS: Final = CursorFormat(RANK, INSTRUMENT)
"""How well the last instrument matches, and its id."""


class InstrumentsQuery(PageQuery):
    """Which instruments to list: with `q` the best matches first, else all by id."""

    q: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=40)] | None,
        Field(description="How a symbol, an ISIN or a word of the name begins, or a part of the name; case is ignored"),
    ] = None
    cursor: Annotated[str, INSTRUMENTS] | None = None


class PriceBand(View):
    """Lowest and highest price of the date."""

    low: Rupees
    high: Rupees


class InstrumentView(View):
    """One instrument on one trade date."""

    instrument_id: str
    venue: str
    symbol: str
    isin: str
    name: str
    segment: str
    trade_date: Annotated[str, Field(description="The date in India that this is true for", examples=["2026-11-23"])]
    reference_price: Rupees
    tick_size: Rupees
    lot_size: int
    price_band: PriceBand
    freeze_quantity: Annotated[int, Field(description="Largest quantity of one order")]
    futures_and_options: bool
    price: Rupees
    price_source: PriceSource
    price_as_of: Annotated[Instant | None, Field(description="Exchange time; null for a reference price")]


InstrumentPage = Page[InstrumentView]
