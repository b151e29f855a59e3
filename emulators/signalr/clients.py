"""The client's side: `POST /client/negotiate` and the WebSocket at `/client/`.

Clients only listen, as in serverless mode without an upstream: one that invokes a method is sent away
(https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api#serverless).
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulators.signalr.addresses import Origins, bearer, hub_name
from emulators.signalr.connection import Connection
from emulators.signalr.hubs import DuplicateError, FullError, Registry
from emulators.signalr.messagepack import OFFERED
from emulators.signalr.protocol import INVOKES, MessageType, ProtocolError, Records, handshake_frame, read_handshake
from emulators.signalr.tokens import AccessKeys, TokenError, expires_on, user_id

type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]

TRANSPORT = "signalr.transport"
_NO_METHODS = "Clients cannot invoke methods: the service runs in serverless mode and has no upstream."
_NORMAL_CLOSURE, _UNSUPPORTED_DATA = 1000, 1003


class RefusedError(Exception):
    """The client may not connect; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Clients:
    """Negotiates with clients, and serves each WebSocket until its end."""

    def __init__(self, registry: Registry, keys: AccessKeys, origins: Origins) -> None:
        self._registry = registry
        self._keys = keys
        self._origins = origins
        self._closing: set[asyncio.Task[None]] = set()

    async def negotiate(self, request: Request) -> Response:
        """Hand out a connection id (Transport Protocols, `POST endpoint-base/negotiate`, version 1)."""
        try:
            query = _query(request.scope)
            hub, user, _ = self._admitted(request.scope, query)
        except RefusedError as error:
            return Response(str(error), error.status, media_type="text/plain")
        if self._registry.full:
            return Response("the connection limit is reached", 429, media_type="text/plain")
        connection_id = secrets.token_urlsafe(24)
        token = f"{connection_id}.{self._keys.seal(_place(hub, user, connection_id))}"
        version = 1 if query.get("negotiateVersion", "0") != "0" else 0
        answer: dict[str, Any] = {
            "negotiateVersion": version,
            "connectionId": connection_id if version else token,
            "availableTransports": [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}],
        }
        return JSONResponse(answer | {"connectionToken": token} if version else answer)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """ASGI application of one WebSocket."""
        await receive()
        try:
            hub, connection = self._opened(scope, send)
        except RefusedError as error:
            await _refuse(send, error)
            return
        try:
            await send({"type": "websocket.accept"})
            await self._listen(hub, connection, receive)
        finally:
            self._registry.release(hub, connection)

    def _opened(self, scope: Any, send: Send) -> tuple[str, Connection]:
        """A counted connection. Raises RefusedError."""
        query = _query(scope)
        hub, user, expires = self._admitted(scope, query)
        now = time.monotonic()
        connection = Connection(
            id=self._connection_id(query.get("id"), hub, user),
            user=user,
            transport=scope["extensions"][TRANSPORT],
            finish=lambda: self._finish(connection, send),
            limits=self._registry.limits,
            expires_on=expires,
            opened=now,
            last_message_at=now,
            pinged=now,
        )
        try:
            self._registry.reserve(hub, connection)
        except DuplicateError as error:
            raise RefusedError(409, "the connection is open already") from error
        except FullError as error:
            raise RefusedError(429, "the connection limit is reached") from error
        return hub, connection

    def _admitted(self, scope: Any, query: dict[str, str]) -> tuple[str, str | None, float | None]:
        """Hub, user and end of the client's token. Raises RefusedError."""
        name = query.get("hub", "")
        hub = hub_name(name, None)
        if hub is None:
            raise RefusedError(400, "'hub' must name a hub")
        token = bearer(scope) or query.get("access_token", "")
        try:
            claims = self._keys.claims(token, self._origins.client_audiences(scope, hub))
            return hub, user_id(claims), expires_on(claims)
        except TokenError as error:
            raise RefusedError(401, str(error)) from error

    def _connection_id(self, token: str | None, hub: str, user: str | None) -> str:
        """The id that was negotiated by this user for this hub, or a new one. Raises RefusedError."""
        if token is None:
            return secrets.token_urlsafe(24)
        connection_id, _, seal = token.partition(".")
        expected = self._keys.seal(_place(hub, user, connection_id))
        if not secrets.compare_digest(seal.encode(), expected.encode()):
            raise RefusedError(404, "no connection with that id")
        return connection_id

    async def _listen(self, hub: str, connection: Connection, receive: Receive) -> None:
        records = Records(connection.limits.max_message_bytes)
        while not connection.closing:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            connection.last_message_at = time.monotonic()
            data = message.get("bytes") or (message.get("text") or "").encode()
            try:
                for record in records.feed(data):
                    self._handle(hub, connection, record)
                    # What follows the handshake, in the same message too, is of the protocol that it chose.
                    records.protocol = connection.protocol
            except ProtocolError as error:
                _reject(connection, str(error))
        # The peer's part of the closing handshake.
        while (await receive())["type"] != "websocket.disconnect":
            pass

    def _handle(self, hub: str, connection: Connection, record: bytes) -> None:
        """One record. Raises ProtocolError."""
        if connection.closing:
            return
        if not connection.ready:
            connection.protocol = read_handshake(record, OFFERED)
            # The answer goes first: once admitted, the connection may be written by anybody.
            connection.write(handshake_frame(connection.protocol))
            self._registry.admit(hub, connection)
            return
        kind = connection.protocol.message_type(record)
        if kind in INVOKES:
            raise ProtocolError(_NO_METHODS)
        if kind == MessageType.CLOSE:
            connection.end()

    def _finish(self, connection: Connection, send: Send) -> None:
        task = asyncio.create_task(_close_socket(connection, send))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _reject(connection: Connection, error: str) -> None:
    if connection.ready:
        connection.close(f"Connection closed with an error. {error}")
    else:
        connection.write(handshake_frame(connection.protocol, error))
        connection.end()


async def _close_socket(connection: Connection, send: Send) -> None:
    """Send the close frame; a client that takes nothing any more is cut."""
    try:
        async with asyncio.timeout(connection.limits.close_timeout_s):
            await send({"type": "websocket.close", "code": _NORMAL_CLOSURE})
    except TimeoutError:
        connection.cut("does not close")
    except OSError:
        return  # it is gone, which is what was wanted


async def _refuse(send: Send, error: RefusedError) -> None:
    body = str(error).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _place(hub: str, user: str | None, connection_id: str) -> str:
    return "\n".join((hub, "" if user is None else f"user {user}", connection_id))


def _query(scope: Any) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), errors="replace", max_num_fields=50))
