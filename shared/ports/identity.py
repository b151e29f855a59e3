"""Who is calling: the person or service behind an access token."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """A verified caller. A service (`is_app`) carries roles and no scopes."""

    user_id: UUID
    roles: frozenset[str]
    scopes: frozenset[str] = frozenset()
    is_app: bool = False


class TokenVerifier(Protocol):
    """Checks access tokens against their issuer's published keys."""

    async def verify(self, token: str) -> Actor:
        """The caller. Raises UnauthenticatedError, and UnavailableError when no key could be fetched."""
