"""Names of hubs, and the addresses that a token's audience may name."""

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}\Z")


def hub_name(hub: str, application: str | None) -> str | None:
    """The hub's full name in lower case, prefixed by its application; None when the service refuses it."""
    if not _NAME.match(hub) or (application and not _NAME.match(application)):
        return None
    return f"{application}_{hub}".lower() if application else hub.lower()


class Origins:
    """Where this emulator is reached: its public address, and whatever host a request names."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url.rstrip("/")

    def of(self, scope: Mapping[str, Any]) -> tuple[str, ...]:
        """Origins that the request's token may be made for."""
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        return (self.public_url, f"{scheme}://{host}") if host else (self.public_url,)

    def client_audiences(self, scope: Mapping[str, Any], hub: str) -> tuple[str, ...]:
        """Audiences of a client's token: the client address of its hub."""
        return tuple(f"{origin}/client{slash}?hub={hub}" for origin in self.of(scope) for slash in ("/", ""))

    def request_audiences(self, scope: Mapping[str, Any]) -> tuple[str, ...]:
        """Audiences of a REST token: the request's own address without its query."""
        return tuple(origin + scope["raw_path"].decode("latin-1") for origin in self.of(scope))


def bearer(scope: Mapping[str, Any]) -> str:
    """The token of the Authorization header, empty without one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""
