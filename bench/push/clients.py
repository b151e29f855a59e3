"""A process with many WebSocket clients that only count what they get: the same for ours and for the reference."""

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import uvloop

_AT_ONCE = 50
_PATIENCE_S = 60.0
_HANDSHAKE = b'{"protocol":"json","version":1}\x1e'


@dataclass(frozen=True, slots=True)
class Connect:
    """Open all connections; answered with True."""

    port: int
    path: str
    speaks_signalr: bool


@dataclass(frozen=True, slots=True)
class Expect:
    """Wait until every client has got so many bytes more; answered with the time (`time.monotonic`) of the last."""

    size: int


class _Client(asyncio.Protocol):
    def __init__(self, clients: "_Clients", wanted: Connect) -> None:
        self._clients = clients
        self._wanted = wanted
        self._head = b""
        self.open = asyncio.get_running_loop().create_future()
        self.received = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._wanted.path} HTTP/1.1\r\nHost: 127.0.0.1:{self._wanted.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.open.done():
            self.received += len(data)
            self._clients.note(self)
            return
        self._head += data
        _, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        if self._wanted.speaks_signalr and not rest:
            # A client's frames are masked; a mask of zeros changes nothing.
            self.transport.write(bytes([0x81, 0x80 | len(_HANDSHAKE), 0, 0, 0, 0]) + _HANDSHAKE)
            return
        self.open.set_result(None)


@dataclass
class _Clients:
    members: list[_Client] = field(default_factory=list)
    size: int = 0
    missing: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, client: _Client) -> None:
        if self.size and client.received >= self.size:
            client.received = -(1 << 60)
            self.missing -= 1
            if self.missing == 0:
                self.complete.set()

    def expect(self, size: int) -> None:
        self.size, self.missing = size, len(self.members)
        self.complete.clear()
        for client in self.members:
            client.received = 0

    async def connect(self, wanted: Connect, count: int) -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, count, _AT_ONCE):
            made = await asyncio.gather(
                *(
                    loop.create_connection(lambda: _Client(self, wanted), "127.0.0.1", wanted.port)
                    for _ in range(min(_AT_ONCE, count - start))
                )
            )
            opened = [client for _, client in made]
            await asyncio.wait_for(asyncio.gather(*(client.open for client in opened)), _PATIENCE_S)
            self.members += opened


async def _serve(pipe: Connection, count: int) -> None:
    clients = _Clients()
    while True:
        command = await asyncio.to_thread(pipe.recv)
        match command:
            case Connect():
                await clients.connect(command, count)
                pipe.send(True)
            case Expect(size):
                clients.expect(size)
                pipe.send(True)
                await asyncio.wait_for(clients.complete.wait(), _PATIENCE_S)
                pipe.send(time.monotonic())
            case _:
                return


def run(pipe: Connection, count: int) -> None:
    """Obey commands until None comes."""
    uvloop.run(_serve(pipe, count))
