"""Managed identities as App Service and Functions offer them: an endpoint on the machine, and a secret header.

Protocol: learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference", API version
2019-08-01. An app finds the address in `IDENTITY_ENDPOINT` and the secret in `IDENTITY_HEADER`. Tokens have the
claims of Entra's v1.0 tokens, the audience that was asked for, and are not cached here: each request signs a new one.
"""

import hmac
import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulators.entra.directory import Directory, ManagedIdentity, Tenant
from emulators.entra.errors import NO_STORE
from emulators.entra.tokens import TokenIssuer

PATH: Final = "/msi/token"
_API_VERSION: Final = "2019-08-01"
_MAX_RESOURCE: Final = 512


class ManagedIdentityEndpoint:
    """`GET /msi/token?resource=&api-version=&client_id=` with the header `X-IDENTITY-HEADER`."""

    def __init__(self, directory: Directory, issuer: TokenIssuer) -> None:
        self._directory = directory
        self._issuer = issuer

    async def token(self, request: Request) -> Response:
        """200 with a token; 400 for what the service calls a bad request; 401 for a missing or wrong header."""
        asked = request.query_params
        resource = asked.get("resource", "")
        if asked.get("api-version") != _API_VERSION or not 0 < len(resource) <= _MAX_RESOURCE:
            return _refused(400, f"The parameters resource and api-version={_API_VERSION} are required.")
        found = self._identity(request.headers.get("x-identity-header", ""), asked.get("client_id"))
        if found is None:
            return _refused(401, "No managed identity has this header and client id.")
        return JSONResponse(self._answer(*found, resource.rstrip("/")), headers=NO_STORE)

    def _identity(self, header: str, client_id: str | None) -> tuple[Tenant, ManagedIdentity] | None:
        """The identity of this app: the one asked for, or its only one."""
        own = [
            (tenant, identity)
            for tenant in self._directory.tenants
            for identity in tenant.managed_identities
            if hmac.compare_digest(identity.identity_header.encode(), header.encode())
        ]
        if client_id is not None:
            own = [each for each in own if str(each[1].client_id) == client_id.lower()]
        return own[0] if len(own) == 1 else None

    def _answer(self, tenant: Tenant, identity: ManagedIdentity, resource: str) -> dict[str, Any]:
        now = int(time.time())
        expires = now + self._issuer.lifetime_s
        claims = {
            "iss": f"{self._issuer.public_url}/{tenant.id}/",
            "aud": resource,
            "iat": now,
            "nbf": now,
            "exp": expires,
            "tid": str(tenant.id),
            "oid": str(identity.principal_id),
            "sub": str(identity.principal_id),
            "appid": str(identity.client_id),
            "appidacr": "2",
            "idtyp": "app",
            "ver": "1.0",
        }
        return {
            "access_token": self._issuer.signed(claims),
            "client_id": str(identity.client_id),
            "expires_on": str(expires),
            "not_before": str(now),
            "resource": resource,
            "token_type": "Bearer",
        }


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status_code=status, headers=NO_STORE)
