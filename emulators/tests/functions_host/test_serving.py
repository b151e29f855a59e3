"""The HTTP server's bounds against hostile clients: only their own connection suffers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest

from emulators.functions import serving
from emulators.functions.http import read_body
from emulators.functions.serving import HttpServer
from emulators.functions.sockets import bind
from emulators.processes.background import Background

_HOST = b"Host: x\r\n"
_CHUNKED = b"POST /body HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n"
_GET = b"GET /now HTTP/1.1\r\n" + _HOST + b"\r\n"


_REFUSED = {
    status: f"HTTP/1.1 {status} {words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    for status, words in {
        400: "Bad Request",
        408: "Request Timeout",
        414: HTTPStatus(414).phrase,
        431: "Request Header Fields Too Large",
    }.items()
}


class Served:
    """A server on a port of its own, whose requests to `/wait` wait until the test lets them go."""

    def __init__(self) -> None:
        listener = bind("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.go = asyncio.Event()
        self.server = HttpServer(self._answer, listener, grace_s=1)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raise":
            raise ValueError
        if scope["path"] == "/unread":
            await self.go.wait()
        body = await read_body(receive, None, 1_000_000)
        if scope["path"] == "/wait":
            await self.go.wait()
        answer = scope["path"].encode() + b"|" + body
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def send(self, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return reader, writer

    async def ask(self, *pieces: bytes) -> bytes:
        """What comes until the server closes; a reset counts as the end."""
        answered = b""
        with contextlib.suppress(ConnectionError):
            reader, _ = await self.send(*pieces)
            while chunk := await asyncio.wait_for(reader.read(65536), 20):
                answered += chunk
        return answered


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    await served.server.listen(Background())
    yield served
    served.go.set()
    await served.server.stop()


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"GET / HTTP/1.1\r\n" + _HOST, b"x-y: z\r\n" * 100),
        (b"GET /", b"a" * 700),
        (_CHUNKED + b"0\r\n", b"x-y: z\r\n" * 100),
        (_CHUNKED + b"0\r\n", b"y" * 700),
        (_CHUNKED + b"5;", b"y" * 700),
    ],
    ids=["headers", "address", "trailers", "trailer name", "chunk extension"],
)
async def test_framing_without_content_ends_the_connection(served: Served, start: bytes, endless: bytes) -> None:
    answered = await served.ask(start, *(endless for _ in range(200)))
    assert answered in (b"", _REFUSED[414], _REFUSED[431])
    assert b"/now|" in await served.ask(_GET.replace(_HOST, _HOST + b"Connection: close\r\n"))


async def test_tiny_chunks_and_trailers_are_a_body(served: Served) -> None:
    body = b"".join(b"1;why=not\r\n%c\r\n" % letter for letter in b"abc" * 20_000)
    asked = _CHUNKED.replace(_HOST, _HOST + b"Connection: close\r\n") + body + b"0\r\nx-late: 1\r\n\r\n"
    assert (await served.ask(asked)).endswith(b"/body|" + b"abc" * 20_000)


@pytest.mark.parametrize(
    ("begun", "answer"),
    [(b"", b""), (b"GET /now HT", _REFUSED[408]), (b"GET /now HTTP/1.1\r\nHost: x\r\nX-A", _REFUSED[408])],
)
async def test_slow_head_ends_the_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(serving, "_HEAD_TIMEOUT_S", 0.1)
    assert await served.ask(begun) == answer


async def test_slow_body_ends_the_connection(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_GRACE_S", 0.2)
    monkeypatch.setattr(serving, "_RATE_CHECK_S", 0.1)
    head = b"POST /body HTTP/1.1\r\n" + _HOST + b"Content-Length: 100000\r\n\r\n"
    assert await served.ask(head + b"x" * 40) == _REFUSED[408]

    reader, writer = await served.send(head)
    for _ in range(10):
        writer.write(b"x" * 10_000)
        await asyncio.sleep(0.05)
    assert (await reader.readuntil(b"/body|")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_an_unread_body_is_not_called_slow(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_GRACE_S", 0.05)
    monkeypatch.setattr(serving, "_RATE_CHECK_S", 0.05)
    head = b"POST /unread HTTP/1.1\r\n" + _HOST + b"Content-Length: 500000\r\n\r\n"
    reader, writer = await served.send(head + b"x" * 400_000)
    await asyncio.sleep(0.3)
    served.go.set()
    writer.write(b"x" * 100_000)
    assert (await asyncio.wait_for(reader.readuntil(b"/unread|"), 20)).startswith(b"HTTP/1.1 200 ")
    writer.close()


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"/now", [b"X-%d: y" % number for number in range(99)], 200),
        (b"/now", [b"X-%d: y" % number for number in range(100)], 431),
        (b"/now", [b"X-%d: " % number + b"y" * 1000 for number in range(31)], 200),
        (b"/now", [b"X-%d: " % number + b"y" * 1000 for number in range(33)], 431),
        (b"/now?" + b"z" * 8_100, [], 200),
        (b"/now?" + b"z" * 8_192, [], 414),
        (b"/now?" + b"z" * 80_000, [], 414),
    ],
)
async def test_heads_are_bounded_as_kestrel_does(
    served: Served, line: bytes, headers: list[bytes], status: int
) -> None:
    head = b"\r\n".join([b"GET " + line + b" HTTP/1.1", b"Host: x", *headers, b"", b""])
    reader, writer = await served.send(head)
    answered = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert answered.startswith(b"HTTP/1.1 %d " % status) if status == 200 else answered == _REFUSED[status]
    writer.close()


@pytest.mark.parametrize(
    "host", [b"[", b"[::1", b"]", b"a]b", b"[]", b":80", b"a:", b"a:b", b"a b", b"a/b", b"\xe4", b"a@b"]
)
async def test_a_broken_host_is_400(served: Served, host: bytes) -> None:
    assert await served.ask(b"GET /now HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") == _REFUSED[400]


@pytest.mark.parametrize("host", [b"", b"a", b"a.b:80", b"127.0.0.1:7071", b"[::1]", b"[::1]:80", b"[::ffff:1.2.3.4]"])
async def test_a_host_that_http_allows_is_served(served: Served, host: bytes) -> None:
    asked = b"GET /now HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n"
    assert (await served.ask(asked)).startswith(b"HTTP/1.1 200 ")


async def test_what_fails_in_the_host_is_an_empty_500(served: Served) -> None:
    answered = await served.ask(_GET.replace(b"/now", b"/raise").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answered.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert answered.endswith(b"content-length: 0\r\nconnection: close\r\n\r\n")


async def test_a_response_is_written_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    flush = serving._OneWrite.flush

    def record(transport: serving._OneWrite) -> None:
        if transport._pieces:
            written.append(b"".join(transport._pieces))
        flush(transport)

    monkeypatch.setattr(serving._OneWrite, "flush", record)
    reader, writer = await served.send(_GET)
    await reader.readuntil(b"/now|")
    assert len(written) == 1
    assert written[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert written[0].endswith(b"\r\n\r\n/now|")
    writer.close()


async def test_complete_head_stops_the_clock(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_HEAD_TIMEOUT_S", 0.05)
    reader, writer = await served.send(_GET.replace(b"/now", b"/wait"))
    await asyncio.sleep(0.2)
    served.go.set()
    await asyncio.wait_for(reader.readuntil(b"/wait|"), 20)
    writer.close()


async def test_flood_of_pipelined_requests_has_to_wait(served: Served) -> None:
    _, writer = await served.send(_GET.replace(b"/now", b"/wait"))
    writer.write(_GET * 400_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(writer.drain(), 0.5)
    (protocol,) = served.server.server_state.connections
    assert isinstance(protocol, serving.BoundedProtocol)
    assert len(protocol.pipeline) < 200
    assert len(protocol._held) < 1_000_000
    writer.transport.abort()
    assert b"/now|" in await served.ask(_GET.replace(_HOST, _HOST + b"Connection: close\r\n"))


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    bodies = [b"%d" % number * (number * 37 % 500) for number in range(500)]
    asked = [b"POST /b HTTP/1.1\r\n" + _HOST + b"Content-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies]
    reader, writer = await served.send(_GET.replace(b"/now", b"/wait"), *asked)
    served.go.set()
    await reader.readuntil(b"/wait|")
    for body in bodies:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert b"content-length: %d\r\n" % (len(body) + 3) in head
        assert await reader.readexactly(len(body) + 3) == b"/b|" + body
    writer.close()


@pytest.mark.parametrize(
    "head",
    [b"GET /now\r\n\r\n", b"GET /now HTTP/1.1\r\n\r\n", b"GET /now HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ids=["HTTP/0.9", "no host", "two hosts"],
)
async def test_head_against_the_protocol_is_400(served: Served, head: bytes) -> None:
    assert (await served.ask(head)).startswith(b"HTTP/1.1 400 ")
