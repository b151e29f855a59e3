"""Where watchlists are kept."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shared.domain.watchlists import Watchlist


class WatchlistStore(Protocol):
    """Lists by user. Each verb raises UnavailableError."""

    async def all(self, user_id: UUID) -> Sequence[Watchlist]:
        """The user's lists, in the order they were made."""

    async def get(self, user_id: UUID, watchlist_id: UUID) -> Watchlist | None:
        """One of them."""

    async def create(
        self, user_id: UUID, watchlist_id: UUID, name: str, instruments: Sequence[str]
    ) -> Watchlist | None:
        """The new list; the one that has this id already, as it is; None when the user has as many as he may."""

    async def replace(
        self, user_id: UUID, watchlist_id: UUID, version: int, name: str, instruments: Sequence[str]
    ) -> Watchlist | None:
        """The changed list; None when the user has no list with this id and version."""

    async def delete(self, user_id: UUID, watchlist_id: UUID, version: int) -> Watchlist | None:
        """The list as it was; None as in `replace`."""
