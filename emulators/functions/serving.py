"""uvicorn without its signal handlers and log lines, on a socket that is already bound."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from emulators.functions.http import AsgiApp
from emulators.processes.background import Background

_BACKLOG = 2048
_LARGEST_HEAD = 64 * 1024
_HEAD_TIMEOUT_S = 30.0
_BODY_SLICE, _HEAD_SLICE = 64 * 1024, 4 * 1024
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _NotHttpError(Exception):
    """A request that HTTP/1.1 tells servers to refuse with 400."""


class _Flow(FlowControl):
    """Does not read on while there is still something to parse."""

    holding = False

    def resume_reading(self) -> None:
        if not self.holding:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Kestrel's bounds, which httptools and uvicorn lack: size and time of a head, framing without content, pipelining.

    At most 64 KB pass without a complete head or a piece of a body, be it headers, trailers or chunk extensions, and
    a head takes at most 30 s. What is pipelined behind a waiting request stays unparsed until that one is answered.
    """

    _since_progress = 0
    _in_head = True
    _held = b""
    _head_timer: asyncio.TimerHandle | None = None
    flow: _Flow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._held = b""
        self._head_came()

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._held += data
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse slice by slice, so that each bound is looked at before much more is taken in."""
        position = 0
        while position < len(data) and not self.transport.is_closing():
            if self.pipeline:
                self._held = data[position:]
                self.flow.pause_reading()
                self.flow.holding = True
                return
            piece = data[position : position + (_HEAD_SLICE if self._in_head else _BODY_SLICE)]
            position += len(piece)
            self._since_progress += len(piece)
            super().data_received(piece)
            if self._since_progress > _LARGEST_HEAD and not self.transport.is_closing():
                self._refuse_excess()
        if self._in_head and self._since_progress and self._head_timer is None:
            self._await_head()

    def _refuse_excess(self) -> None:
        if self._in_head:
            self.transport.write(_HEAD_TOO_LARGE)
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self.transport.close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are no headers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and not hosts):
            raise _NotHttpError  # RFC 9112 3.2
        super().on_headers_complete()
        self._in_head = False
        self._since_progress = 0
        self._head_came()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._since_progress = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._since_progress = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held and not self.pipeline:
            held, self._held = self._held, b""
            self.flow.holding = False
            self.flow.resume_reading()
            self._feed(held)


class HttpServer(uvicorn.Server):
    """One listening socket; `stop` refuses new connections and lets requests finish."""

    def __init__(self, app: AsgiApp, listener: socket.socket, grace_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=max(1, round(grace_s)),
            )
        )
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process, not each of its servers, handles signals."""
        yield

    async def listen(self, background: Background) -> None:
        """Return once connections are accepted."""
        self._task = background.start(self.serve(sockets=[self._listener]), "HTTP server")
        while not self.started:
            if self._task.done():
                self._task.result()
                raise RuntimeError("the HTTP server ended while starting")
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Refuse new connections, finish requests within the grace period."""
        self.should_exit = True
        if self._task is not None:
            await self._task
