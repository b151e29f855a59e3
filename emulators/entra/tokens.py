"""Access tokens with the claims of Entra's v2.0 tokens, and the grants that issue them.

Claims: learn.microsoft.com/entra/identity-platform/access-token-claims-reference. `oid` is the user's
id everywhere; `sub` is pairwise, another one per application, as in Entra; `aud` is the API's client id.

A grant is a function from a request's parameters to a `TokenAnswer`; `GRANTS` is the whole list.
The authorization code grant with PKCE will be one more entry.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from emulators.entra import errors
from emulators.entra.directory import Application, Tenant, User, roles_on
from emulators.entra.keys import KeyStore

_OPENID_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True)
class TokenRequest:
    """One form post to one tenant's token endpoint; `now` in Unix seconds."""

    tenant: Tenant
    parameters: Mapping[str, str]
    now: int

    def required(self, name: str) -> str:
        """The parameter's value. Raises OAuthError when absent or empty."""
        value = self.parameters.get(name)
        if not value:
            raise errors.missing(name)
        return value


@dataclass(frozen=True)
class TokenAnswer:
    """Claims that depend on the grant, and the scopes granted as full names."""

    claims: Mapping[str, Any]
    scope: str


@dataclass(frozen=True)
class TokenIssuer:
    """Signs what the grants answer."""

    keys: KeyStore
    public_url: str
    lifetime_s: int

    def issuer(self, tenant_id: str) -> str:
        """The `iss` of a tenant's tokens, as discovery publishes it."""
        return f"{self.public_url}/{tenant_id}/v2.0"

    def issue(self, request: TokenRequest) -> dict[str, Any]:
        """The token endpoint's success body (RFC 6749, 5.1). Raises OAuthError."""
        grant = GRANTS.get(request.required("grant_type"))
        if grant is None:
            raise errors.unsupported_grant()
        answer = grant(request)
        return {
            "token_type": "Bearer",
            "scope": answer.scope,
            "expires_in": self.lifetime_s,
            "ext_expires_in": self.lifetime_s,
            "access_token": self._sign(request, answer.claims),
        }

    def signed(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims and nothing else, by the current key."""
        key = self.keys.signing
        return jwt.encode(dict(claims), key.private, "RS256", {"kid": key.kid})

    def _sign(self, request: TokenRequest, claims: Mapping[str, Any]) -> str:
        common = {
            "iss": self.issuer(str(request.tenant.id)),
            "iat": request.now,
            "nbf": request.now,
            "exp": request.now + self.lifetime_s,
            "tid": str(request.tenant.id),
            "uti": secrets.token_urlsafe(16),
            "ver": "2.0",
        }
        return self.signed({**common, **claims})


def client_credentials(request: TokenRequest) -> TokenAnswer:
    """A service's own token (RFC 6749, 4.4): app roles, no scopes."""
    client = _client(request)
    if client.secret is None:
        raise errors.grant_not_allowed()
    _check_secret(client, request.required("client_secret"))
    scope = request.required("scope")
    resource = request.tenant.resource(scope.removesuffix("/.default"))
    if not scope.endswith("/.default") or resource is None:
        raise errors.default_scope_only()
    principal = str(client.service_principal_id or client.client_id)
    claims = {"oid": principal, "sub": principal, "azpacr": "1", "idtyp": "app"}
    return TokenAnswer(claims | _shared_claims(client, resource, roles_on(client, resource)), scope)


def user_password(request: TokenRequest) -> TokenAnswer:
    """Sandbox only: a user's token for name and password (RFC 6749, 4.3), where the client allows it."""
    client = _client(request)
    if not client.password_grant:
        raise errors.grant_not_allowed()
    if client.secret is not None:
        _check_secret(client, request.required("client_secret"))
    user = _authenticated(request)
    resource, scopes = _requested(request.tenant, request.required("scope"))
    claims = {
        "oid": str(user.id),
        "sub": _pairwise(resource, user),
        "name": user.name,
        "preferred_username": user.username,
        "scp": " ".join(scopes),
        "azpacr": "0" if client.secret is None else "1",
    }
    granted = " ".join(f"{resource.app_id_uri or resource.client_id}/{scope}" for scope in scopes)
    return TokenAnswer(claims | _shared_claims(client, resource, roles_on(user, resource)), granted)


GRANTS: Mapping[str, Callable[[TokenRequest], TokenAnswer]] = {
    "client_credentials": client_credentials,
    "password": user_password,
}


def _shared_claims(client: Application, resource: Application, roles: tuple[str, ...]) -> dict[str, Any]:
    claims: dict[str, Any] = {"aud": str(resource.client_id), "azp": str(client.client_id)}
    # Entra leaves the claim out when nothing is assigned.
    return claims | ({"roles": list(roles)} if roles else {})


def _client(request: TokenRequest) -> Application:
    client = request.tenant.application(request.required("client_id"))
    if client is None:
        raise errors.unknown_client()
    return client


def _check_secret(client: Application, given: str) -> None:
    if not hmac.compare_digest((client.secret or "").encode(), given.encode()):
        raise errors.wrong_secret()


def _authenticated(request: TokenRequest) -> User:
    username, password = request.required("username"), request.required("password")
    user = request.tenant.user(username)
    expected = user.password if user else secrets.token_urlsafe(16)
    if not hmac.compare_digest(expected.encode(), password.encode()) or user is None:
        raise errors.wrong_password()
    return user


def _requested(tenant: Tenant, scope: str) -> tuple[Application, tuple[str, ...]]:
    """The one API that the scopes name, and which of its scopes; `/.default` means all of them."""
    names = [name for name in scope.split(" ") if name and name not in _OPENID_SCOPES]
    parts = [name.rpartition("/") for name in names]
    if len({resource for resource, _, _ in parts}) != 1:
        raise errors.invalid_scope()
    resource = tenant.resource(parts[0][0])
    if resource is None:
        raise errors.invalid_scope()
    wanted = tuple(dict.fromkeys(short for _, _, short in parts))
    if wanted == (".default",):
        return resource, resource.scopes
    if not set(wanted) <= set(resource.scopes):
        raise errors.invalid_scope()
    return resource, wanted


def _pairwise(resource: Application, user: User) -> str:
    digest = hashlib.sha256(f"{resource.client_id}/{user.id}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
