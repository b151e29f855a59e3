"""uvicorn with bounds of its own: on request heads, on what may be sent before a request, on answers to pings."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from emulators.processes.background import persistently
from emulators.signalr.clients import TRANSPORT
from emulators.signalr.hubs import Registry
from emulators.signalr.limits import HEAD_BYTES, HEAD_TIMEOUT_S, Limits

_logger: structlog.typing.FilteringBoundLogger = structlog.get_logger("signalr")

_SWEEP_S = 1.0
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HeadTooLargeError(Exception):
    """A request's head passes the bound."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends connections whose request head is too large or does not come."""

    _received = 0
    _head_bytes = 0
    _in_head = True
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting = self.loop.call_later(HEAD_TIMEOUT_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        # The parser reports nothing about a header that does not end.
        if self._in_head and self._received > HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._received = self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def _count(self, size: int) -> None:
        """Raises HeadTooLargeError, which the parser turns into its own error."""
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            raise HeadTooLargeError

    def _refuse_head(self) -> None:
        self.transport.write(_HEAD_TOO_LARGE)
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def _websocket_protocol(limits: Limits) -> type[asyncio.Protocol]:
    class DirectWebSocketProtocol(WebSocketsSansIOProtocol):
        """Lends its transport to the application, which writes finished frames to it."""

        async def run_asgi(self) -> None:
            extensions: Any = self.scope["extensions"]
            extensions[TRANSPORT] = self.transport
            try:
                await self.app(self.scope, self.receive, self.send)
            except ClientDisconnected:
                pass  # it left while it was answered
            except Exception:  # one connection's fault is logged and ends that connection
                _logger.exception("A connection failed")
            finally:
                if self.close_timer is None:
                    self.transport.close()
                # Closing waits for what is queued, and a client that reads nothing would make it wait for ever.
                self.loop.call_later(limits.close_timeout_s, self.transport.abort)

        def handle_text(self, event: Frame) -> None:
            # The hub protocol reads bytes; it refuses what is no UTF-8.
            self.handle_bytes(event)

        def handle_ping(self) -> None:
            # A client that pings and reads nothing would make pongs pile up.
            if self.transport.get_write_buffer_size() > limits.max_queued_bytes:
                self.transport.abort()
            else:
                super().handle_ping()

    return DirectWebSocketProtocol


class SignalRServer(uvicorn.Server):
    """Serves one registry on a socket that is bound already, and keeps its clients alive."""

    def __init__(self, app: ASGIApp, registry: Registry, listener: socket.socket) -> None:
        limits = registry.limits
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=BoundedHttpProtocol,
                ws=_websocket_protocol(limits),
                ws_max_size=limits.max_message_bytes,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                # Beside the clients: those who negotiate and who call the REST API.
                limit_concurrency=limits.max_connections * 2 + 1000,
                timeout_graceful_shutdown=3,
            )
        )
        self._registry = registry
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The command line handles signals."""
        yield

    async def run_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then close the clients' connections."""
        sweeping = asyncio.create_task(persistently(self._sweep, _report))
        stopping = asyncio.create_task(self._exit_after(stop))
        try:
            await self.serve(sockets=[self._listener])
        finally:
            sweeping.cancel()
            stopping.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._registry.close_all("The service is shutting down.")
        await super().shutdown(sockets)

    async def _exit_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.should_exit = True

    async def _sweep(self) -> None:
        limits = self._registry.limits
        pause_s = min(_SWEEP_S, limits.keep_alive_s / 4, limits.client_timeout_s / 4, limits.handshake_timeout_s / 4)
        while True:
            await asyncio.sleep(pause_s)
            self._registry.keep()


def _report(error: Exception) -> None:
    _logger.error("Clients could not be looked after; trying again", exc_info=error)
