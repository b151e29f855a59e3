"""The hubs to which clients connect."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.push import Hub


@dataclass(frozen=True, slots=True)
class HubAccess:
    """Where a client connects, and the token that lets it in as one user."""

    url: str
    token: str


class Hubs(Protocol):
    """Lets clients in."""

    async def admit(self, hub: Hub, user_id: UUID, roles: Collection[str]) -> HubAccess:
        """Access to a hub for a caller whose identity was verified. Raises UnavailableError."""
