"""The issuer's public keys (JWKS, RFC 7517), fetched when needed and kept.

Rules: an unknown key id causes a fetch, at most one every `retry_s` however many such tokens come; keys are
fetched anew every `fresh_s`, behind the requests; keys already fetched are used while the endpoint is unavailable.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import jwt
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.domain.errors import UnavailableError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=3.0)
_MAX_BYTES: Final = 256 * 1024
_MIN_KEY_BITS: Final = 2048
_log = structlog.get_logger(__name__)


class KeySet:
    """Signing keys by key id."""

    def __init__(self, jwks_url: str, *, fresh_s: float = 3600.0, retry_s: float = 10.0) -> None:
        self._url = jwks_url
        self._fresh_s = fresh_s
        self._retry_s = retry_s
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._fetched_at = -fresh_s
        self._tried_at = -retry_s
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> RSAPublicKey | None:
        """The key, None when the issuer has none of that id. Raises UnavailableError when no key was ever fetched."""
        key = self._keys.get(key_id)
        now = time.monotonic()
        if key is not None:
            if now - self._fetched_at > self._fresh_s:
                self._start_fetching(now)
            return key
        if self._start_fetching(now) is not None:
            await asyncio.shield(self._fetching)  # type: ignore[arg-type]  # set by _start_fetching
        if not self._keys:
            raise UnavailableError(
                "The identity provider's keys are not available: repeat the request after Retry-After seconds",
                retry_after_s=2,
            )
        return self._keys.get(key_id)

    def _start_fetching(self, now: float) -> asyncio.Task[None] | None:
        """The fetch under way, a new one, or None when it is too early for another."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        # Without any key no call can be served, so fetch more often.
        if now - self._tried_at < (self._retry_s if self._keys else min(self._retry_s, 0.5)):
            return None
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.get(self._url) as response:
                response.raise_for_status()
                document = orjson.loads(await _bounded(response))
            keys = _signing_keys(document)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            _log.warning("the identity provider's keys were not fetched", reason=type(error).__name__)
            return
        self._keys = keys
        self._fetched_at = time.monotonic()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ValueError("the key set is too large")
    return bytes(body)


def _signing_keys(document: Any) -> dict[str, RSAPublicKey]:
    """RSA keys for signatures; others are skipped. Raises ValueError when that leaves none."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = dict(filter(None, map(_signing_key, entries if isinstance(entries, list) else ())))
    if not keys:
        raise ValueError("the key set has no RSA signing key")
    return keys


def _signing_key(entry: Any) -> tuple[str, RSAPublicKey] | None:
    usable = (
        isinstance(entry, dict)
        and entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and isinstance(entry.get("kid"), str)
    )
    if not usable:
        return None
    try:
        key = jwt.PyJWK(entry, "RS256").key
    except jwt.PyJWTError:
        return None
    return (entry["kid"], key) if isinstance(key, RSAPublicKey) and key.key_size >= _MIN_KEY_BITS else None
