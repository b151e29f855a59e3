"""Instruments over HTTP: what is traded on a date, and what an order for it must respect."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from shared.contracts.common import Page, PageQuery, Rupees, View
from shared.contracts.cursors import INSTRUMENT, CursorFormat
from shared.domain.prices import PriceSource

INSTRUMENTS: Final = CursorFormat(INSTRUMENT)
"""The last instrument's id."""


class InstrumentsQuery(PageQuery):
    """`q` finds by the beginning of symbol or ISIN, or by a word of the name, without regard to case."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
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


InstrumentPage = Page[InstrumentView]
