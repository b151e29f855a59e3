"""Watchlists."""

from typing import Final

from shared.contracts.routes.route import IdempotencyKey, Route
from shared.contracts.watchlists import (
    CreateWatchlist,
    ReplaceWatchlist,
    WatchlistPage,
    WatchlistVersionQuery,
    WatchlistView,
)

LIST_WATCHLISTS: Final = Route[None, None](
    "list_watchlists",
    "GET",
    "watchlists",
    "Your watchlists, oldest first",
    {200: WatchlistPage},
)
CREATE_WATCHLIST: Final = Route[CreateWatchlist, None](
    "create_watchlist",
    "POST",
    "watchlists",
    "Make a watchlist; up to 10 of 100 instruments",
    {201: WatchlistView},
    body=CreateWatchlist,
    idempotency_key=IdempotencyKey.OPTIONAL,
    errors=(404, 409, 422),
)
GET_WATCHLIST: Final = Route[None, None](
    "get_watchlist",
    "GET",
    "watchlists/{watchlist_id}",
    "One watchlist",
    {200: WatchlistView},
    errors=(404,),
)
REPLACE_WATCHLIST: Final = Route[ReplaceWatchlist, None](
    "replace_watchlist",
    "PUT",
    "watchlists/{watchlist_id}",
    "Change a watchlist, if nobody else has changed it",
    {200: WatchlistView},
    body=ReplaceWatchlist,
    errors=(404, 409),
)
DELETE_WATCHLIST: Final = Route[None, WatchlistVersionQuery](
    "delete_watchlist",
    "DELETE",
    "watchlists/{watchlist_id}",
    "Delete a watchlist, if nobody else has changed it",
    {200: WatchlistView},
    query=WatchlistVersionQuery,
    errors=(404, 409),
)

ROUTES: Final = (
    LIST_WATCHLISTS,
    CREATE_WATCHLIST,
    GET_WATCHLIST,
    REPLACE_WATCHLIST,
    DELETE_WATCHLIST,
)
