"""Access tokens: JWTs signed with an access key by HS256, bound to one address by their audience
(https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api#authenticate-via-azure-signalr-service-accesskey).
"""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import jwt

_SYSTEM_USER = "asrs.s.uid"
_USER_CLAIMS = (
    _SYSTEM_USER,
    "nameid",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier",
    "sub",
)
_LONGEST_TOKEN = 4096
_CLOCK_SKEW_S = 30


class TokenError(Exception):
    """The token is missing, forged, out of date or meant for another address."""


class AccessKeys:
    """The keys of the service, of which any may sign."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or not all(keys):
            raise ValueError("an access key must not be empty")
        self._keys = tuple(key.encode() for key in keys)

    def claims(self, token: str, audiences: Iterable[str]) -> Mapping[str, Any]:
        """The verified claims. Raises TokenError."""
        if not token or len(token) > _LONGEST_TOKEN:
            raise TokenError("no access token, or one of more than 4096 characters")
        claims = self._verified(token)
        accepted = {_normal(audience) for audience in audiences}
        given = claims.get("aud")
        if not any(_normal(one) in accepted for one in (given if isinstance(given, list) else [given])):
            raise TokenError("the token's audience is another address")
        return claims

    def sign(self, audience: str, claims: Mapping[str, Any], lifetime_s: int = 3600) -> str:
        """A token for `audience`, as the service's SDKs make them."""
        now = int(time.time())
        return jwt.encode(
            {"aud": audience, "iat": now, "nbf": now, "exp": now + lifetime_s, **claims}, self._keys[0], "HS256"
        )

    def seal(self, text: str) -> str:
        """A signature of the emulator's own over `text`."""
        return hmac.new(self._keys[0], b"connection:" + text.encode(), hashlib.sha256).hexdigest()

    def _verified(self, token: str) -> dict[str, Any]:
        options: Any = {
            "require": ["exp", "aud"],
            "verify_aud": False,
            "verify_sub": False,
            "enforce_minimum_key_length": False,
        }
        for key in self._keys:
            try:
                return jwt.decode(token, key, ["HS256"], options=options, leeway=_CLOCK_SKEW_S)
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise TokenError(str(error)) from error
        raise TokenError("the token is not signed with an access key of this service")


def user_id(claims: Mapping[str, Any]) -> str | None:
    """Whom the connection belongs to; None for an anonymous one."""
    return next((str(claims[name]) for name in _USER_CLAIMS if claims.get(name)), None)


def expires_on(claims: Mapping[str, Any]) -> float | None:
    """Epoch seconds at which the token asks for its connection to be closed (`CloseOnAuthenticationExpiration`)."""
    if str(claims.get("asrs.s.coae", "")).lower() != "true":
        return None
    moment = claims.get("asrs.s.aeo", claims["exp"])
    try:
        return float(moment)
    except (TypeError, ValueError) as error:
        raise TokenError("asrs.s.aeo is no number") from error


def _normal(audience: object) -> str:
    """Addresses compare without case and percent-encoding; a slash at the end does not count."""
    return unquote(str(audience)).lower().rstrip("/")
