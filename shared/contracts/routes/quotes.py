"""Quotes, books, the market's state, and the ticker."""

from typing import Final

from shared.contracts.quote_packing import PACKED_QUOTES
from shared.contracts.quotes import (
    DepthView,
    MarketStatusView,
    MoversQuery,
    MoversView,
    QuotesBody,
    QuotesQuery,
    QuotesView,
    SnapshotsView,
    SnapshotView,
    StreamQuery,
    StreamView,
)
from shared.contracts.routes.route import EVERYBODY, LimitedBy, Route

_FORMS: Final = ("application/json", PACKED_QUOTES)

GET_QUOTES: Final = Route[None, QuotesQuery](
    "get_quotes",
    "GET",
    "marketdata/quotes",
    "The newest quotes of up to 100 instruments",
    {200: QuotesView},
    query=QuotesQuery,
    roles=EVERYBODY,
    errors=(404,),
    content_types=_FORMS,
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
    content_types=_FORMS,
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
    content_types=_FORMS,
)
LIST_SNAPSHOTS: Final = Route[None, None](
    "list_snapshots",
    "GET",
    "marketdata/snapshots",
    "The shards, and the instruments of each",
    {200: SnapshotsView},
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_SNAPSHOT: Final = Route[None, None](
    "get_snapshot",
    "GET",
    "marketdata/snapshots/{shard}",
    "Every quote of one shard, for content delivery networks",
    {200: SnapshotView, 304: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
    content_types=_FORMS,
    revalidated=True,
)

ROUTES: Final = (
    GET_QUOTES,
    POST_QUOTES,
    GET_DEPTH,
    GET_MARKET_STATUS,
    GET_MOVERS,
    GET_MARKET_STREAM,
    LIST_SNAPSHOTS,
    GET_SNAPSHOT,
)
