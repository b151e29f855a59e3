"""Cross-origin requests as local.settings.json's `Host.CORS` and `Host.CORSCredentials` allow them.

In Azure the platform answers preflights before the app sees them; so does this (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from collections.abc import Mapping
from typing import Any

from emulators.functions.http import AsgiApp, RawHeaders, Receive, Scope, Send


def with_cors(app: AsgiApp, host_settings: Mapping[str, Any]) -> AsgiApp:
    """`app` itself when no origin is allowed."""
    configured = str(host_settings.get("CORS") or "")
    origins = frozenset(origin.strip().rstrip("/").lower() for origin in configured.split(",") if origin.strip())
    return _Cors(app, origins, bool(host_settings.get("CORSCredentials"))) if origins else app


class _Cors:
    def __init__(self, app: AsgiApp, origins: frozenset[str], credentials: bool) -> None:
        self._app = app
        self._origins = origins
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        origin: bytes = headers.get(b"origin", b"")
        if not origin or not self._allows(origin):
            await self._app(scope, receive, send)
            return
        allowed = self._allowed_headers(origin)
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _answer_preflight(send, allowed, headers)
            return

        async def send_allowed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *allowed]}
            await send(message)

        await self._app(scope, receive, send_allowed)

    def _allows(self, origin: bytes) -> bool:
        return "*" in self._origins or origin.decode("latin-1").lower() in self._origins

    def _allowed_headers(self, origin: bytes) -> RawHeaders:
        if "*" in self._origins and not self._credentials:
            return [(b"access-control-allow-origin", b"*")]
        headers: RawHeaders = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        return [*headers, (b"access-control-allow-credentials", b"true")] if self._credentials else headers


async def _answer_preflight(send: Send, allowed: RawHeaders, asked: Mapping[bytes, bytes]) -> None:
    headers = [*allowed, (b"access-control-allow-methods", asked[b"access-control-request-method"])]
    if b"access-control-request-headers" in asked:
        headers.append((b"access-control-allow-headers", asked[b"access-control-request-headers"]))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
