"""An app's managed identity on this machine: the emulated endpoint, the environment that names it, keys to check by."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from emulators.entra.app import create_app
from emulators.entra.directory import Directory, ManagedIdentity, Tenant
from emulators.entra.keys import KeyStore
from emulators.entra.tokens import TokenIssuer
from sandbox.ports import free_port
from tests.support.waiting import eventually

TENANT = UUID("7b7a5a1e-0000-4000-8000-000000000001")
CLIENT = UUID("7b7a5a1e-0000-4000-8000-000000000006")
PRINCIPAL = UUID("7b7a5a1e-0000-4000-8000-000000000007")
HEADER = "a-header-that-only-the-app-has"


@dataclass
class Authority:
    """What a service knows of the identity's tenant; `ahead_s` moves the service's clock."""

    keys: KeyStore
    ahead_s: float = 0.0
    refused: list[str] = field(default_factory=list)
    accepted: int = 0

    def accepts(self, token: str, audience: str) -> bool:
        """Whether a service of this audience lets the token in."""
        try:
            key = {key.kid: key.private.public_key() for key in self.keys.keys}[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token, key, ["RS256"], audience=audience, options={"verify_exp": False, "require": ["exp", "oid"]}
            )
        except (jwt.PyJWTError, KeyError) as error:
            self.refused.append(type(error).__name__)
            return False
        if claims["exp"] <= time.time() + self.ahead_s:
            self.refused.append("expired")
            return False
        self.accepted += 1
        return claims["oid"] == str(PRINCIPAL)


class IdentityEndpoint:
    """A running endpoint, and what Azure sets in an app's environment."""

    def __init__(self, folder: Path, lifetime_s: int) -> None:
        self._folder, self._lifetime_s, self._port = folder / "keys", lifetime_s, free_port()
        self.authority = Authority(KeyStore.open(self._folder))
        self._app = self._new_app()
        self.server = uvicorn.Server(
            uvicorn.Config(self, host="127.0.0.1", port=self._port, log_level="warning", access_log=False)
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._port}/msi/token",
            "IDENTITY_HEADER": HEADER,
            "AZURE_CLIENT_ID": str(CLIENT),
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }

    def rotate(self) -> None:
        """Sign with a new key from now on, as `emulators-entra --rotate` does; the old one stays published."""
        self.authority.keys = KeyStore.open(self._folder, rotate=True)
        self._app = self._new_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def is_up(self) -> bool:
        return self.server.started

    def _new_app(self) -> Starlette:
        identity = ManagedIdentity(client_id=CLIENT, principal_id=PRINCIPAL, name="broker", identity_header=HEADER)
        tenant = Tenant(id=TENANT, managed_identities=(identity,))
        issuer = TokenIssuer(self.authority.keys, f"http://127.0.0.1:{self._port}", self._lifetime_s)
        return create_app(Directory(tenants=(tenant,)), issuer)


@asynccontextmanager
async def identity_endpoint(folder: Path, *, lifetime_s: int = 3600) -> AsyncIterator[IdentityEndpoint]:
    """Serve managed identities over HTTP in this loop, as the emulator's process does."""
    endpoint = IdentityEndpoint(folder, lifetime_s)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(endpoint.server.serve())
        await eventually(endpoint.is_up)
        try:
            yield endpoint
        finally:
            endpoint.server.should_exit = True
