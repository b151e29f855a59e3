"""Trades."""

from typing import Final

from shared.contracts.routes.route import STAFF, TRADER, Route, StreamSequence
from shared.contracts.trades import TradePage, TradesQuery

LIST_TRADES: Final = Route[None, TradesQuery](
    "list_trades",
    "GET",
    "trades/{user_id}",
    "Trades, newest first",
    {200: TradePage},
    query=TradesQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
    errors=(404,),
)

ROUTES: Final = (LIST_TRADES,)
