"""Bounds on the connections of an aiohttp server: how many there are, and how long one may ask for nothing."""

import asyncio
from ssl import SSLContext
from typing import cast

from aiohttp import web

_TLS_HANDSHAKE_S = 10.0


class HttpConnections:
    """Listens for an aiohttp server. At the limit, the connection that has asked for nothing for longest is closed."""

    def __init__(self, server: web.Server, *, limit: int, idle_s: float) -> None:
        self._server = server
        self._limit = limit
        self.idle_s = idle_s
        self._open: dict[asyncio.BaseTransport, _Connection] = {}
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int, tls: SSLContext | None) -> int:
        """Start; returns the port."""
        handshake_s = None if tls is None else _TLS_HANDSHAKE_S
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self, self._server()), host, port, ssl=tls, ssl_handshake_timeout=handshake_s
        )
        return int(self._listener.sockets[0].getsockname()[1])

    def stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def serving(self, request: web.BaseRequest, *, begins: bool) -> None:
        """A request's head is here, or its answer is done."""
        connection = None if request.transport is None else self._open.get(request.transport)
        if connection is not None:
            connection.serving(begins=begins)

    def add(self, transport: asyncio.BaseTransport, connection: "_Connection") -> bool:
        """Whether there is room for one more."""
        if len(self._open) >= self._limit:
            idle = next((one for one, known in self._open.items() if not known.busy), None)
            if idle is None:
                return False
            del self._open[idle]
            cast("asyncio.Transport", idle).abort()
        self._open[transport] = connection
        return True

    def remove(self, transport: asyncio.BaseTransport) -> None:
        self._open.pop(transport, None)


class _Connection(asyncio.Protocol):
    """Hands everything to aiohttp's protocol, and aborts what stays idle."""

    def __init__(self, connections: HttpConnections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(transport)
        if self._connections.add(transport, self):
            self.serving(begins=False)
        else:
            self._transport.abort()

    def serving(self, *, begins: bool) -> None:
        """Also of the first request, which has to come in time."""
        self.busy = begins
        self._stop_timer()
        if not begins and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._connections.idle_s, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._connections.remove(self._transport)
        self._inner.connection_lost(exc)
