"""Watchlists in PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.domain.watchlists import MOST_LISTS, Watchlist

_SQL = load("watchlists.sql")


class PostgresWatchlists(Statements):
    """`WatchlistStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def all(self, user_id: UUID) -> Sequence[Watchlist]:
        """See `WatchlistStore.all`."""
        return [_watchlist(row) for row in await self._rows("all", user_id=user_id)]

    async def get(self, user_id: UUID, watchlist_id: UUID) -> Watchlist | None:
        """See `WatchlistStore.get`."""
        return await self._one("get", user_id=user_id, watchlist_id=watchlist_id)

    async def create(
        self, user_id: UUID, watchlist_id: UUID, name: str, instruments: Sequence[str]
    ) -> Watchlist | None:
        """See `WatchlistStore.create`."""
        new = {"user_id": user_id, "watchlist_id": watchlist_id, "title": name, "instruments": list(instruments)}
        # Each slot is lost to a twin at most once.
        for _ in range(MOST_LISTS + 1):
            found = await self._one("create", **new) or await self.get(user_id, watchlist_id)
            if found is not None or len(await self.all(user_id)) >= MOST_LISTS:
                return found
        return None

    async def replace(
        self, user_id: UUID, watchlist_id: UUID, version: int, name: str, instruments: Sequence[str]
    ) -> Watchlist | None:
        """See `WatchlistStore.replace`."""
        changed = {"version": version, "title": name, "instruments": list(instruments)}
        return await self._one("replace", user_id=user_id, watchlist_id=watchlist_id, **changed)

    async def delete(self, user_id: UUID, watchlist_id: UUID, version: int) -> Watchlist | None:
        """See `WatchlistStore.delete`."""
        return await self._one("delete", user_id=user_id, watchlist_id=watchlist_id, version=version)

    async def _one(self, statement: str, **parameters: Any) -> Watchlist | None:
        rows = await self._rows(statement, **parameters)
        return _watchlist(rows[0]) if rows else None


def _watchlist(row: tuple[Any, ...]) -> Watchlist:
    watchlist_id, name, instruments, *rest = row
    return Watchlist(watchlist_id, name, tuple(instruments), *rest)
