"""Which clients get which market data, for as long as they keep asking."""

from collections.abc import Collection
from typing import NamedTuple, Protocol
from uuid import UUID


class Membership(NamedTuple):
    """Whose connection it is, and the groups that it is in."""

    user_id: UUID
    groups: frozenset[str]


class ConnectionGoneError(Exception):
    """The hub has no such connection any more."""


class Memberships(Protocol):
    """Connections to the hub `market` and their groups. A membership ends with its lease, because nothing reports a
    connection that was lost. Every verb raises UnavailableError."""

    async def held(self, connection_id: str) -> Membership | None:
        """What the connection holds by a lease that has not ended."""

    async def belongs(self, connection_id: str, user_id: UUID) -> bool:
        """Whether it is a connection of this user, by what the hub says."""

    async def change(
        self, connection_id: str, user_id: UUID, groups: Collection[str], before: Collection[str] | None
    ) -> None:
        """Put the connection into exactly these groups, for one more lease; `before` are those it holds, None: unknown.

        May be repeated. Raises ConnectionGoneError.
        """
