"""Trades over HTTP: one line an execution."""

from typing import Annotated, Final

from pydantic import Field

from shared.contracts.common import Id, Instant, InstrumentId, Page, PageQuery, QueryDate, Rupees, View
from shared.contracts.cursors import DAY, INSTANT, TEXT, CursorFormat
from shared.domain.orders.terms import Side

TRADES: Final = CursorFormat(INSTANT, TEXT, TEXT, DAY)
"""When the last trade was executed; its execution id, venue and trade date."""


class TradesQuery(PageQuery):
    """Which trades to list, newest first; both dates are India's trade dates and included."""

    instrument_id: InstrumentId | None = None
    from_date: QueryDate | None = None
    to_date: QueryDate | None = None
    cursor: Annotated[str, TRADES] | None = None


class TradeView(View):
    """One execution of an order."""

    trade_id: Annotated[str, Field(description="VENUE/DATE/EXEC_ID", examples=["NSE/2026-11-23/E000000000007-0"])]
    order_id: Id
    user_id: Id
    instrument_id: str
    side: Side
    quantity: int
    price: Rupees
    value: Rupees
    charges: Annotated[dict[str, Rupees], Field(description="By component, rupees")]
    trade_date: str
    executed_at: Instant


TradePage = Page[TradeView]
