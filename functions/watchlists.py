"""Watchlists: instruments that a user follows."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.routes import watchlists as routes
from shared.contracts.watchlists import CreateWatchlist, ReplaceWatchlist, WatchlistPage, WatchlistVersionQuery


@endpoint(routes.LIST_WATCHLISTS)
async def list_watchlists(call: Call) -> Reply:
    """All of them: there are at most ten."""
    return Reply(WatchlistPage(items=list(await call.app.watchlists.all(call.user_id)), next_cursor=None))


@endpoint(routes.CREATE_WATCHLIST)
async def create_watchlist(call: Call[CreateWatchlist]) -> Reply:
    """201, and again for the same key."""
    created = await call.app.watchlists.create(call.user_id, call.body, call.idempotency_key)
    return Reply(created.body, 201, {"Idempotency-Replayed": "true"} if created.replayed else {})


@endpoint(routes.GET_WATCHLIST)
async def get_watchlist(call: Call) -> Reply:
    """One list."""
    return Reply(await call.app.watchlists.get(call.user_id, call.id("watchlist_id")))


@endpoint(routes.REPLACE_WATCHLIST)
async def replace_watchlist(call: Call[ReplaceWatchlist]) -> Reply:
    """The changed list."""
    return Reply(await call.app.watchlists.replace(call.user_id, call.id("watchlist_id"), call.body))


@endpoint(routes.DELETE_WATCHLIST)
async def delete_watchlist(call: Call[None, WatchlistVersionQuery]) -> Reply:
    """The list as it was."""
    return Reply(await call.app.watchlists.delete(call.user_id, call.id("watchlist_id"), call.query.version))


blueprint = blueprint_of(list_watchlists, create_watchlist, get_watchlist, replace_watchlist, delete_watchlist)
