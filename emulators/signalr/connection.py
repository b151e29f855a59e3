"""One client connection: writes go straight to its socket, whose buffer is the bounded queue.

Rules: `write` never waits, so that one slow client delays nobody; a client whose buffer passes the limit
is cut off at once, for nothing can be said to it any more, and reconnects.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from emulators.signalr.limits import Limits
from emulators.signalr.protocol import JSON, HubProtocol

_logger: structlog.typing.FilteringBoundLogger = structlog.get_logger("signalr")


@dataclass(eq=False)
class Connection:
    """A connection after its handshake began; `finish` starts the WebSocket's closing handshake."""

    id: str
    user: str | None
    transport: asyncio.WriteTransport
    finish: Callable[[], None]
    limits: Limits
    protocol: HubProtocol = JSON
    expires_on: float | None = None
    groups: set[str] = field(default_factory=set)
    ready: bool = False
    closing: bool = False
    opened: float = 0.0
    last_message_at: float = 0.0
    pinged: float = 0.0

    def write(self, frame: bytes) -> None:
        """Queue a frame, or cut the client off when too much is waiting already."""
        if self.closing or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() + len(frame) > self.limits.max_queued_bytes:
            self.cut("slow")
            return
        self.transport.write(frame)

    def close(self, error: str | None = None, *, allow_reconnect: bool = False) -> None:
        """Say why, then close."""
        self.write(self.protocol.close_frame(error, allow_reconnect=allow_reconnect))
        self.end()

    def end(self) -> None:
        """Close without words of the hub protocol."""
        if not self.closing:
            self.closing = True
            self.finish()

    def cut(self, reason: str) -> None:
        """Drop the socket and what waits in it."""
        self.closing = True
        _logger.warning("Connection cut", connection=self.id, reason=reason)
        self.transport.abort()

    def keep(self, now: float, epoch: float) -> None:
        """What time asks for: a ping, or the end of a silent or outdated client."""
        if not self.ready:
            if now - self.opened > self.limits.handshake_timeout_s:
                self.cut("no handshake")
        elif now - self.last_message_at > self.limits.client_timeout_s:
            self.close("Client hasn't sent a message/ping within the configured ClientTimeoutInterval.")
        elif self.expires_on is not None and epoch > self.expires_on:
            self.close("The access token expired.", allow_reconnect=True)
        elif now - self.pinged > self.limits.keep_alive_s:
            self.pinged = now
            self.write(self.protocol.ping_frame)
