"""Quotes, books, the market's state, and the ticker."""

from typing import Final

from shared.contracts.quotes import (
    DepthView,
    MarketStatusView,
    MoversQuery,
    MoversView,
    QuotesBody,
    QuotesQuery,
    QuotesView,
    StreamQuery,
    StreamView,
)
from shared.contracts.routes.route import EVERYBODY, Route

GET_QUOTES: Final = Route[None, QuotesQuery](
    "get_quotes",
    "GET",
    "marketdata/quotes",
    "The newest quotes of up to 100 instruments",
    {200: QuotesView},
    query=QuotesQuery,
    roles=EVERYBODY,
    errors=(404,),
)
POST_QUOTES: Final = Route[QuotesBody, None](
    "post_quotes",
    "POST",
    "marketdata/quotes",
    "The newest quotes of up to 500 instruments",
    {200: QuotesView},
    body=QuotesBody,
    roles=EVERYBODY,
    errors=(404,),
    max_body_bytes=32_768,
)
GET_DEPTH: Final = Route[None, None](
    "get_depth",
    "GET",
    "marketdata/depth/{instrument_id}",
    "The best five levels of one instrument's book",
    {200: DepthView},
    roles=EVERYBODY,
    errors=(404,),
)
GET_MARKET_STATUS: Final = Route[None, None](
    "get_market_status",
    "GET",
    "marketdata/status",
    "Whether the market is open, and whether quotes arrive",
    {200: MarketStatusView},
    roles=EVERYBODY,
)
GET_MOVERS: Final = Route[None, MoversQuery](
    "get_movers",
    "GET",
    "marketdata/movers",
    "Gainers, losers and the most active of the trade date",
    {200: MoversView},
    query=MoversQuery,
    roles=EVERYBODY,
)
GET_MARKET_STREAM: Final = Route[None, StreamQuery](
    "get_market_stream",
    "GET",
    "marketdata/stream",
    "Ticks after a cursor; waits up to 20 seconds when there are none",
    {200: StreamView},
    query=StreamQuery,
    roles=EVERYBODY,
    errors=(404,),
)

ROUTES: Final = (
    GET_QUOTES,
    POST_QUOTES,
    GET_DEPTH,
    GET_MARKET_STATUS,
    GET_MOVERS,
    GET_MARKET_STREAM,
)
