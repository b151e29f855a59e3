"""The HTTP surface: discovery, keys and token endpoint of every tenant, at Entra's paths.

Rules: hostile input gets 4xx with Entra's error body; bodies are bounded; nothing that the caller
sent is echoed. The authorization endpoint (PKCE, login page) is not here yet, so discovery omits it.
"""

import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.entra import errors
from emulators.entra.directory import Directory, Tenant
from emulators.entra.errors import NO_STORE, OAuthError
from emulators.entra.managed_identity import PATH, ManagedIdentityEndpoint
from emulators.entra.tokens import GRANTS, TokenIssuer, TokenRequest

_MAX_BODY_BYTES = 16_384
_MAX_PARAMETERS = 50
_TOKEN_CLAIMS = ("iss", "aud", "iat", "nbf", "exp", "tid", "uti", "ver", "azp", "azpacr")
_PRINCIPAL_CLAIMS = ("sub", "oid", "name", "preferred_username", "roles", "scp")


class Endpoints:
    """Request handlers over one directory and one issuer."""

    def __init__(self, directory: Directory, issuer: TokenIssuer) -> None:
        self._directory = directory
        self._issuer = issuer

    async def discovery(self, request: Request) -> Response:
        """OpenID Connect Discovery 1.0, with Entra's members."""
        return JSONResponse(self._metadata(self._tenant(request)))

    async def keys(self, request: Request) -> Response:
        """JSON Web Key Set (RFC 7517) of all published keys."""
        issuer = self._issuer.issuer(str(self._tenant(request).id))
        return JSONResponse({"keys": [key.jwk() | {"issuer": issuer} for key in self._issuer.keys.keys]})

    async def token(self, request: Request) -> Response:
        """OAuth 2.0 token endpoint."""
        tenant = self._tenant(request)
        parameters = await _form(request)
        body = self._issuer.issue(TokenRequest(tenant, parameters, int(time.time())))
        return JSONResponse(body, headers=NO_STORE)

    async def health(self, _: Request) -> Response:
        """200 as soon as the emulator serves."""
        return JSONResponse({"status": "ok"})

    def _tenant(self, request: Request) -> Tenant:
        tenant = self._directory.tenant(request.path_params["tenant"])
        if tenant is None:
            raise errors.unknown_tenant()
        return tenant

    def _metadata(self, tenant: Tenant) -> dict[str, Any]:
        base = f"{self._issuer.public_url}/{tenant.id}"
        return {
            "issuer": self._issuer.issuer(str(tenant.id)),
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "grant_types_supported": sorted(GRANTS),
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "response_types_supported": [],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "claims_supported": [*_TOKEN_CLAIMS, *_PRINCIPAL_CLAIMS],
        }


async def _form(request: Request) -> dict[str, str]:
    """The urlencoded body, each parameter once (RFC 6749, 3.2). Raises OAuthError."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise errors.malformed("The content type must be application/x-www-form-urlencoded.")
    try:
        text = (await _bounded_body(request)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise errors.malformed() from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise errors.malformed("A parameter is repeated.")
    return parameters


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise errors.malformed("The body is too large.", 413)
    return bytes(body)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, OAuthError)
    return error.response()


def create_app(directory: Directory, issuer: TokenIssuer) -> Starlette:
    """The emulator as an ASGI application."""
    endpoints = Endpoints(directory, issuer)
    return Starlette(
        routes=[
            Route("/{tenant}/v2.0/.well-known/openid-configuration", endpoints.discovery),
            Route("/{tenant}/discovery/v2.0/keys", endpoints.keys),
            Route("/{tenant}/oauth2/v2.0/token", endpoints.token, methods=["POST"]),
            Route(PATH, ManagedIdentityEndpoint(directory, issuer).token),
            Route("/health", endpoints.health),
        ],
        exception_handlers={OAuthError: _refuse},
    )
