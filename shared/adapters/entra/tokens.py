"""Access tokens of Entra ID v2.0, verified with PyJWT.

Claims: learn.microsoft.com/entra/identity-platform/access-token-claims-reference. `oid` is the user's id, `roles`
are app roles, `scp` are the delegated scopes; a service's own token has `idtyp` app and no scopes.
Only RS256 with a key of the issuer's set is accepted, so neither `none` nor HS256 over a public key can pass.
"""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

import jwt
from jwt.utils import base64url_decode

from shared.adapters.entra.keys import KeySet
from shared.domain.errors import UnauthenticatedError
from shared.ports.identity import Actor

_ALGORITHM: Final = "RS256"
_MAX_TOKEN: Final = 8192
_MAX_HEADER: Final = 1024
_LEEWAY_S: Final = 30
_KEEP_S: Final = 300.0
"""A verified token is checked whole again after this time, so a withdrawn key is not trusted for a token's lifetime."""
_REQUIRED: Final = ("exp", "nbf", "iat", "iss", "aud", "oid")


class _Verified(NamedTuple):
    actor: Actor
    until: float


class EntraTokenVerifier:
    """`TokenVerifier` that remembers up to `most` verified tokens by their hash."""

    def __init__(self, keys: KeySet, *, issuer: str, audience: str, most: int = 20_000) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._most = most
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def verify(self, token: str) -> Actor:
        """See `TokenVerifier.verify`."""
        if len(token) > _MAX_TOKEN or not token.isascii():
            raise _invalid()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known.until > time.time():
            self._verified.move_to_end(digest)
            return known.actor
        actor, expires_at = _actor(await self._claims(token))
        self._verified[digest] = _Verified(actor, min(expires_at + _LEEWAY_S, time.time() + _KEEP_S))
        if len(self._verified) > self._most:
            self._verified.popitem(last=False)
        return actor

    async def _claims(self, token: str) -> Mapping[str, Any]:
        key = await self._keys.find(_key_id(token))
        if key is None:
            raise _invalid()
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )
        except jwt.ExpiredSignatureError:
            raise UnauthenticatedError("The access token has expired: get a new one") from None
        except jwt.PyJWTError:
            raise _invalid() from None


def _key_id(token: str) -> str:
    """The key id of the token's header, which is not trusted for anything but finding a key."""
    head, _, rest = token.partition(".")
    if len(head) > _MAX_HEADER or rest.count(".") != 1:
        raise _invalid()
    try:
        # Not `jwt.get_unverified_header`, which decodes claims and signature too, and `jwt.decode` does so again.
        header = json.loads(base64url_decode(head))
    except (ValueError, RecursionError):
        raise _invalid() from None
    key_id = header.get("kid") if isinstance(header, dict) else None
    if key_id is None or header.get("alg") != _ALGORITHM or not isinstance(key_id, str):
        raise _invalid()
    return key_id


def _actor(claims: Mapping[str, Any]) -> tuple[Actor, float]:
    roles, scopes = claims.get("roles", []), claims.get("scp", "")
    try:
        user_id = UUID(claims["oid"])
    except (ValueError, TypeError, AttributeError):
        raise _invalid() from None
    if not isinstance(roles, list) or not isinstance(scopes, str):
        raise _invalid()
    actor = Actor(
        user_id=user_id,
        roles=frozenset(role for role in roles if isinstance(role, str)),
        scopes=frozenset(scopes.split()),
        is_app=claims.get("idtyp") == "app" and not scopes,
    )
    return actor, float(claims["exp"])


def _invalid() -> UnauthenticatedError:
    return UnauthenticatedError("The access token is not valid for this API: get a new one with its scope")
