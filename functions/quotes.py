"""Quotes, books, the market's state, the ticker, and snapshots that any cache may keep."""

from collections.abc import Mapping
from typing import Final

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.quote_writing import Form
from shared.contracts.quotes import MoversQuery, QuotesBody, QuotesQuery, StreamQuery
from shared.contracts.routes import quotes as routes
from shared.contracts.stream_cursors import read_cursor

_VARIES: Final = {"Vary": "Accept"}
_PUBLIC: Final = {"Cache-Control": "public, max-age=1, stale-while-revalidate=5", **_VARIES}


@endpoint(routes.GET_QUOTES)
async def get_quotes(call: Call[None, QuotesQuery]) -> Reply:
    """Quotes by address."""
    form = _form(call.headers)
    return _written(await call.app.quotes.quotes(call.query.instrument_ids, call.query.mode, form), form)


@endpoint(routes.POST_QUOTES)
async def post_quotes(call: Call[QuotesBody]) -> Reply:
    """Quotes by body; it changes nothing."""
    form = _form(call.headers)
    return _written(await call.app.quotes.quotes(call.body.instruments, call.body.mode, form), form)


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
    asked, form = call.query, _form(call.headers)
    seen = read_cursor(asked.cursor)
    return _written(await call.app.market_ticker.poll(asked.instrument_ids, asked.mode, seen, asked.wait_s, form), form)


@endpoint(routes.LIST_SNAPSHOTS)
async def list_snapshots(call: Call) -> Reply:
    """The shards."""
    return Reply(call.app.quotes.shards(), headers={"Cache-Control": "public, max-age=300"})


@endpoint(routes.GET_SNAPSHOT)
async def get_snapshot(call: Call) -> Reply:
    """One shard; 304 for who has it already."""
    form = _form(call.headers)
    snapshot = await call.app.quotes.snapshot(call.path["shard"], form)
    headers = {"ETag": snapshot.etag, **_PUBLIC}
    if _has(call.headers.get("if-none-match", ""), snapshot.etag):
        return Reply(b"", 304, headers, content_type=form)
    return Reply(snapshot.body, headers=headers, content_type=form)


def _form(headers: Mapping[str, str]) -> Form:
    """Packed for those who name its media type, JSON for everybody else."""
    offered = [each.partition(";") for each in headers.get("accept", "").lower().split(",")]
    refused = {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    named = any(name.strip() == Form.PACKED and rest.replace(" ", "") not in refused for name, _, rest in offered)
    return Form.PACKED if named else Form.JSON


def _written(body: bytes, form: Form) -> Reply:
    return Reply(body, headers=_VARIES, content_type=form)


def _has(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags, compared without W/, or *."""
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in tags or "*" in tags


blueprint = blueprint_of(
    get_quotes,
    post_quotes,
    get_depth,
    get_market_status,
    get_movers,
    get_market_stream,
    list_snapshots,
    get_snapshot,
)
