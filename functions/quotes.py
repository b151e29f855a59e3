"""Quotes, books, the market's state, and the ticker."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.quotes import MoversQuery, QuotesBody, QuotesQuery, StreamQuery
from shared.contracts.routes import quotes as routes
from shared.contracts.stream_cursors import read_cursor


@endpoint(routes.GET_QUOTES)
async def get_quotes(call: Call[None, QuotesQuery]) -> Reply:
    """Quotes by address."""
    return Reply(await call.app.quotes.quotes(call.query.instrument_ids, call.query.mode))


@endpoint(routes.POST_QUOTES)
async def post_quotes(call: Call[QuotesBody]) -> Reply:
    """Quotes by body; it changes nothing."""
    return Reply(await call.app.quotes.quotes(call.body.instruments, call.body.mode))


@endpoint(routes.GET_DEPTH)
async def get_depth(call: Call) -> Reply:
    """One book."""
    return Reply(await call.app.quotes.depth(call.path["instrument_id"]))


@endpoint(routes.GET_MARKET_STATUS)
async def get_market_status(call: Call) -> Reply:
    """The session and the feed."""
    return Reply(await call.app.market_status.get())


@endpoint(routes.GET_MOVERS)
async def get_movers(call: Call[None, MoversQuery]) -> Reply:
    """Who moved most."""
    return Reply(await call.app.movers.get(call.query.limit))


@endpoint(routes.GET_MARKET_STREAM)
async def get_market_stream(call: Call[None, StreamQuery]) -> Reply:
    """Ticks after the cursor."""
    asked = call.query
    seen = read_cursor(asked.cursor)
    return Reply(await call.app.market_ticker.poll(asked.instrument_ids, asked.mode, seen, asked.wait_s))


blueprint = blueprint_of(get_quotes, post_quotes, get_depth, get_market_status, get_movers, get_market_stream)
