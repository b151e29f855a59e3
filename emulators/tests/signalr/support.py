"""A client of the emulator: its REST API over httpx, its hub protocol over plain WebSockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from emulators.signalr.app import create_app
from emulators.signalr.hubs import Registry
from emulators.signalr.limits import Limits
from emulators.signalr.serving import SignalRServer
from emulators.signalr.tokens import AccessKeys
from emulators.tests.support.waiting import eventually

KEY = "a key of the tests that is long enough for HMAC"
HANDSHAKE = '{"protocol":"json","version":1}\x1e'
_BOUND_S = 10.0


@dataclass
class Client:
    """One WebSocket that speaks the hub protocol."""

    socket: ClientConnection
    waiting: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self) -> dict[str, Any]:
        """The next message that is no ping."""
        while True:
            message = await self.receive_any()
            if message.get("type") != 6:
                return message

    async def receive_any(self) -> dict[str, Any]:
        async with asyncio.timeout(_BOUND_S):
            while not self.waiting:
                data = await self.socket.recv()
                text = data if isinstance(data, str) else data.decode()
                self.waiting += [json.loads(record) for record in text.split("\x1e") if record]
        return self.waiting.pop(0)

    async def send(self, message: object) -> None:
        await self.socket.send(json.dumps(message) + "\x1e")

    async def closed(self) -> None:
        async with asyncio.timeout(_BOUND_S):
            await self.socket.wait_closed()


@dataclass
class Service:
    """A running emulator and what is needed to talk to it."""

    url: str
    registry: Registry
    http: httpx.AsyncClient
    server: SignalRServer
    keys: AccessKeys = field(default_factory=lambda: AccessKeys([KEY]))

    def audience(self, hub: str = "chat") -> str:
        return f"{self.url}/client/?hub={hub}"

    def token(self, user: str | None = None, hub: str = "chat", **claims: Any) -> str:
        return self.keys.sign(self.audience(hub), ({"nameid": user} if user else {}) | claims)

    async def call(self, method: str, path: str, body: object = None, **query: Any) -> httpx.Response:
        """A REST call as the SDKs make it: a token for this very address."""
        headers = {"Authorization": "Bearer " + self.keys.sign(self.url + path, {})}
        content = None if body is None else json.dumps(body)
        return await self.http.request(method, self.url + path, params=query, headers=headers, content=content)

    async def call_new(self, method: str, path: str, body: object = None, **query: Any) -> httpx.Response:
        return await self.call(method, path, body, **{"api-version": "2022-06-01", **query})

    @contextlib.asynccontextmanager
    async def open(self, user: str | None = None, hub: str = "chat", **claims: Any) -> AsyncIterator[Client]:
        """A WebSocket before its handshake."""
        token = self.token(user, hub, **claims)
        address = f"{self.url.replace('http', 'ws', 1)}/client/?hub={hub}&access_token={token}"
        async with connect(address, max_size=None, ping_interval=None, compression=None) as websocket:
            yield Client(websocket)

    @contextlib.asynccontextmanager
    async def client(self, user: str | None = None, hub: str = "chat", **claims: Any) -> AsyncIterator[Client]:
        """A client whose handshake is done."""
        async with self.open(user, hub, **claims) as client:
            await client.socket.send(HANDSHAKE)
            assert await client.receive_any() == {}
            yield client

    def connection_ids(self, hub: str = "chat") -> list[str]:
        return list(self.registry.hub(hub).connections)

    async def eventually(self, probe: Callable[[], object]) -> None:
        await eventually(probe, _BOUND_S)


@contextlib.asynccontextmanager
async def running(limits: Limits | None = None) -> AsyncIterator[Service]:
    """An emulator on this event loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    registry = Registry(limits or Limits())
    server = SignalRServer(create_app(registry, AccessKeys([KEY]), url, ["*"]), registry, listener)
    stop = asyncio.Event()
    serving = asyncio.create_task(server.run_until(stop))
    try:
        async with httpx.AsyncClient(timeout=_BOUND_S) as http:
            yield Service(url, registry, http, server)
    finally:
        stop.set()
        await serving
