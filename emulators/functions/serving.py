"""uvicorn without its signal handlers and log lines, on a socket that is already bound, with Kestrel's bounds.

The bounds are those of `KestrelServerLimits`, which the real host does not change but for the size of a body
(https://learn.microsoft.com/dotnet/api/microsoft.aspnetcore.server.kestrel.core.kestrelserverlimits).
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from emulators.functions.http import AsgiApp, Receive, Scope, Send
from emulators.functions.logging import get_logger
from emulators.functions.overload import Admission, in_line
from emulators.processes.background import Background

_logger = get_logger("host.http")
_BACKLOG = 2048
_LONGEST_LINE, _LARGEST_HEADERS, _MOST_HEADERS = 8 * 1024, 32 * 1024, 100
# What a head may be in all, before its parts are known.
_LARGEST_HEAD = _LONGEST_LINE + _LARGEST_HEADERS
_HEAD_TIMEOUT_S = 30.0
_LEAST_BYTES_PER_S, _GRACE_S, _RATE_CHECK_S = 240, 5.0, 1.0
_BODY_SLICE, _HEAD_SLICE = 64 * 1024, 4 * 1024
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,}\]|[A-Za-z0-9!$&'()\-._~]+)(?::[0-9]+)?|\Z")


_READING = (b"GET", b"HEAD", b"OPTIONS")
_UNAVAILABLE_TEXT = b"The service is unavailable."  # what Azure's front end says
_UNAVAILABLE = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(_UNAVAILABLE_TEXT)),
    (b"retry-after", b"1"),
]


class _RefusedError(Exception):
    """A request that is answered before it is complete."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Flow(FlowControl):
    """Does not read on while there is still something to parse."""

    holding = False

    def resume_reading(self) -> None:
        if not self.holding:
            super().resume_reading()


class _OneWrite:
    """A transport that gathers what is written at once: head and body of a response are one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Written with what follows in this turn of the loop, at `flush` at the latest."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Close after what was written."""
        self.flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """Kestrel's bounds, which httptools and uvicorn lack: size, number and time of heads, pace of bodies, pipelining.

    Framing without content (trailers, chunk extensions) is bounded like a head. What is pipelined behind a waiting
    request stays unparsed until that one is answered.
    """

    _since_progress = 0
    _in_head = True
    _held = b""
    _head_timer: asyncio.TimerHandle | None = None
    _pace: asyncio.TimerHandle | None = None
    _body_since = 0.0
    _body_size = 0
    _refused: HTTPStatus | None = None
    flow: _Flow

    def __init__(self, *arguments: Any, admission: Admission | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._serve = self.app
        self._admission = admission
        self._serve_in_turn = self.app if admission is None else in_line(self.app, admission)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.transport: Any = _OneWrite(transport, self.loop)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._held = b""
        self._head_came()
        self._body_came()

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
        if not self._in_head and self._pace is None:
            self._await_body()
        if self._in_head and self._since_progress and self._head_timer is None:
            self._await_head()

    def _refuse_excess(self) -> None:
        if self._in_head:
            too_long = len(self.url) > _LONGEST_LINE
            self._refuse(HTTPStatus.URI_TOO_LONG if too_long else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer as Kestrel does what it refuses by itself: without a body, and the connection ends."""
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(head.encode())
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """What the parser refuses, and what its callbacks refused by raising."""
        self._refuse(self._refused or HTTPStatus.BAD_REQUEST)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._since_progress:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        self.transport.close()

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are no headers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        if version not in ("1.0", "1.1") or len(hosts) > 1 or (version == "1.1" and not hosts):
            self._raise(HTTPStatus.BAD_REQUEST)  # RFC 9112 3.2
        if hosts and not _HOST.fullmatch(hosts[0]):
            self._raise(HTTPStatus.BAD_REQUEST)
        if len(self.url) > _LONGEST_LINE - len(f"{self.parser.get_method().decode()}  HTTP/1.1\r\n"):
            self._raise(HTTPStatus.URI_TOO_LONG)
        if len(self.headers) > _MOST_HEADERS or (
            self._since_progress > _LARGEST_HEADERS  # the sum costs more than it, and is needed as good as never
            and sum(len(name) + len(value) + 4 for name, value in self.headers) > _LARGEST_HEADERS
        ):
            self._raise(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._admission is not None:
            if self.parser.get_method() in _READING:
                self.app = self._serve
            else:
                self.app = _refuse_for_now if self._admission.refuses() else self._serve_in_turn
        super().on_headers_complete()
        self._in_head = False
        self._since_progress = 0
        self._head_came()
        self._body_size = 0

    def _raise(self, status: HTTPStatus) -> None:
        """End parsing; `send_400_response` answers."""
        self._refused = status
        raise _RefusedError(status)

    def _await_body(self) -> None:
        self._body_since = self.loop.time()
        self._pace = self.loop.call_later(_GRACE_S, self._check_pace)

    def _check_pace(self) -> None:
        """End a connection whose body comes too slowly; time in which we do not read does not count."""
        seconds = self.loop.time() - self._body_since
        if self.flow.read_paused:
            self._body_since, self._body_size = self.loop.time(), 0
        elif self._body_size < seconds * _LEAST_BYTES_PER_S:
            if not self.cycle.response_started:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
            self.transport.close()
            return
        self._pace = self.loop.call_later(_RATE_CHECK_S, self._check_pace)

    def _body_came(self) -> None:
        if self._pace is not None:
            self._pace.cancel()
            self._pace = None

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._since_progress = 0
        self._body_size += len(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._since_progress = 0
        self._body_came()

    def on_response_complete(self) -> None:
        self.transport.flush()
        super().on_response_complete()
        if self._held and not self.pipeline:
            held, self._held = self._held, b""
            self.flow.holding = False
            self.flow.resume_reading()
            self._feed(held)


async def _refuse_for_now(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": _UNAVAILABLE})
    await send({"type": "http.response.body", "body": _UNAVAILABLE_TEXT})


def _without_raising(app: AsgiApp) -> AsgiApp:
    """Whatever fails in the host itself is logged and answered as the real host does: 500 without a body."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            _logger.exception("A request could not be answered", method=scope["method"], path=scope["path"])
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    return answer


class HttpServer(uvicorn.Server):
    """One listening socket; `stop` refuses new connections and lets requests finish."""

    def __init__(
        self, app: AsgiApp, listener: socket.socket, grace_s: float, admission: Admission | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                _without_raising(app),
                loop="none",
                http=partial(BoundedProtocol, admission=admission),  # type: ignore[arg-type] # any factory will do
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
