"""Who the app is to the service, and how it lets clients in: by an access key, or by the app's managed identity."""

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import jwt

from shared.adapters.azure_identity import ManagedIdentity

_ALGORITHM: Final = "HS256"
_REQUEST_S: Final = 300
_CLIENT_S: Final = 3600
_SCOPE: Final = "https://signalr.azure.com/.default"

type Ask = Callable[[str, str], Awaitable[Any]]
"""Calls the service: method and address below its endpoint, to the JSON that it answers."""


class Credentials(Protocol):
    """What opens the service."""

    async def request_token(self, url: str) -> str:
        """The bearer token of a REST call to this address, which has no query."""

    async def client_token(self, hub: str, user: str, roles: Collection[str], ask: Ask) -> str:
        """A token that lets one client of this user into the hub. Raises what `ask` raises."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """`Credentials` by a key of the service, which signs everything here."""

    key: str
    client_endpoint: str

    async def request_token(self, url: str) -> str:
        """See `Credentials.request_token`."""
        return self._signed(url, {}, _REQUEST_S)

    async def client_token(self, hub: str, user: str, roles: Collection[str], ask: Ask) -> str:  # noqa: ARG002
        """See `Credentials.client_token`."""
        claims = {"nameid": user, "role": sorted(roles)}
        return self._signed(f"{self.client_endpoint}/client/?hub={hub}", claims, _CLIENT_S)

    def _signed(self, audience: str, claims: dict[str, Any], lifetime_s: int) -> str:
        now = int(time.time())
        return jwt.encode({"aud": audience, "iat": now, "exp": now + lifetime_s, **claims}, self.key, _ALGORITHM)


class Identity:
    """`Credentials` by the managed identity: the service makes the clients' tokens."""

    def __init__(self, identity: ManagedIdentity) -> None:
        self._identity = identity

    async def request_token(self, url: str) -> str:  # noqa: ARG002
        """See `Credentials.request_token`."""
        return await self._identity.token(_SCOPE)

    async def client_token(self, hub: str, user: str, roles: Collection[str], ask: Ask) -> str:
        """See `Credentials.client_token`."""
        wanted = "".join(f"&role={quote(role, safe='')}" for role in sorted(roles))
        query = f"userId={quote(user, safe='')}{wanted}&minutesToExpire={_CLIENT_S // 60}"
        answer = await ask("POST", f"/api/hubs/{hub}/:generateToken?{query}")
        return str(answer["token"])
