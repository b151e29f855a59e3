"""The data plane's REST API: version 1.0 and the versions named by `api-version`, 2022-06-01 and later
(https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).

Rules: paths are matched before percent-decoding, so ids may hold slashes; a message is encoded once
for all its receivers; nothing waits, so an accepted message has been written when it is answered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import orjson

from emulators.signalr import hubs
from emulators.signalr.addresses import Origins, bearer, hub_name
from emulators.signalr.clients import Receive, Send
from emulators.signalr.hubs import Hub, Registry
from emulators.signalr.limits import MAX_GROUP_NAME
from emulators.signalr.messagepack import Message
from emulators.signalr.protocol import Invocation
from emulators.signalr.tokens import AccessKeys, TokenError

_PAGE = 200
_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d\Z")


class RestError(Exception):
    """The request is refused; `code` goes into `x-ms-error-code`."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Call:
    """One request: the hub, the path's names and the query; `hub` is read only, `kept` may be changed."""

    registry: Registry
    hub_name: str
    names: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: bytes
    address: str = ""

    @property
    def hub(self) -> Hub:
        return self.registry.hub(self.hub_name)

    @property
    def kept(self) -> Hub:
        return self.registry.kept(self.hub_name)

    @property
    def excluded(self) -> frozenset[str]:
        return frozenset(self.query.get("excluded", ()))

    @property
    def reason(self) -> str | None:
        return self.query.get("reason", [None])[0]

    @property
    def message(self) -> Message:
        """The body's message, for any connection. Raises RestError."""
        return Message(_invocation(self.body))

    def number(self, name: str, default: int) -> int:
        """A parameter of the query, at least 1. Raises RestError."""
        given = self.query.get(name, [str(default)])[0]
        if not given.isdigit() or len(given) > 9 or int(given) == 0:
            raise RestError(400, "Error.Request.Invalid", f"'{name}' must be a positive number")
        return int(given)

    def following(self, last: str) -> str:
        """The address of the page after the entry `last`."""
        return f"{self.address}?{urlencode({**self.query, 'continuationToken': last}, doseq=True)}"

    @property
    def ttl_s(self) -> float | None:
        """Raises RestError."""
        given = self.query.get("ttl", [""])[0]
        if not given:
            return None
        if not given.isdigit() or len(given) > 9:
            raise RestError(400, "Error.Request.Invalid", "'ttl' must be a number of seconds")
        return float(given)


type Handler = Callable[[Call], dict[str, Any] | None]
"""Returns the answer's JSON, None for an empty one."""


def send_to_all(call: Call) -> None:
    hubs.send(call.hub.connections.values(), call.message, call.excluded)


def send_to_user(call: Call) -> None:
    hubs.send(call.hub.of_user(call.names["user"]), call.message)


def send_to_group(call: Call) -> None:
    hubs.send(call.hub.of_group(call.names["group"]), call.message, call.excluded)


def send_to_connection(call: Call) -> None:
    message = call.message
    connection = call.hub.connections.get(call.names["connection"])
    hubs.send([connection] if connection else [], message)


def close_all(call: Call) -> None:
    hubs.close(call.hub.connections.values(), call.reason, call.excluded)


def close_group(call: Call) -> None:
    hubs.close(call.hub.of_group(call.names["group"]), call.reason, call.excluded)


def close_user(call: Call) -> None:
    hubs.close(call.hub.of_user(call.names["user"]), call.reason, call.excluded)


def close_connection(call: Call) -> None:
    connection = call.hub.connections.get(call.names["connection"])
    hubs.close([connection] if connection else [], call.reason)


def connection_exists(call: Call) -> None:
    if call.names["connection"] not in call.hub.connections:
        raise RestError(404, "Warning.Connection.NotExisted")


def group_exists(call: Call) -> None:
    if not call.hub.of_group(call.names["group"]):
        raise RestError(404, "Warning.Group.NotExisted")


def user_exists(call: Call) -> None:
    if not call.hub.of_user(call.names["user"]):
        raise RestError(404, "Warning.User.NotExisted")


def user_in_group(call: Call) -> None:
    if call.names["group"] not in call.hub.user_groups(call.names["user"]):
        raise RestError(404, "Info.User.NotInGroup")


def connection_joins(call: Call) -> None:
    connection = call.hub.connections.get(call.names["connection"])
    if connection is None:
        raise RestError(404, "Error.Connection.NotExisted", "The connection does not exist.")
    call.hub.join(connection, call.names["group"])


def connection_leaves(call: Call) -> None:
    connection = call.hub.connections.get(call.names["connection"])
    if connection is None:
        raise RestError(404, "Error.Connection.NotExisted", "The connection does not exist.")
    call.hub.leave(connection, call.names["group"])


def connection_leaves_all(call: Call) -> None:
    connection = call.hub.connections.get(call.names["connection"])
    if connection is not None:
        call.hub.leave_all(connection)


def user_joins(call: Call) -> None:
    ttl_s = call.ttl_s
    call.kept.user_joins(call.names["user"], call.names["group"], ttl_s)


def user_leaves(call: Call) -> None:
    call.hub.user_leaves(call.names["user"], call.names["group"])


def user_leaves_all(call: Call) -> None:
    call.hub.user_leaves_all(call.names["user"])


def list_connections(call: Call) -> dict[str, Any]:
    """One page of a group's connections in the order of their ids; `nextLink` leads to the next one."""
    size = min(call.number("maxPageSize", _PAGE), _PAGE)
    after = call.query.get("continuationToken", [""])[0]
    found = sorted(each.id for each in call.hub.of_group(call.names["group"]) if each.id > after)
    wanted = found[: min(size, call.number("top", size))]
    more = len(found) > len(wanted) and "top" not in call.query
    users = call.hub.connections
    return {
        "value": [{"connectionId": each, "userId": users[each].user} for each in wanted],
        "nextLink": call.following(wanted[-1]) if more else None,
    }


@dataclass(frozen=True)
class Route:
    """`pattern` are the path's segments below the hub; `{name}` takes any one segment."""

    method: str
    pattern: tuple[str, ...]
    handler: Handler
    status: int

    def match(self, method: str, segments: list[str]) -> dict[str, str] | None:
        """The path's names, percent-decoded, if the request is this route's."""
        if method != self.method or len(segments) != len(self.pattern):
            return None
        names = {}
        for expected, given in zip(self.pattern, segments, strict=True):
            if expected.startswith("{"):
                names[expected[1:-1]] = unquote(given)
            elif expected != given:
                return None
        return names


def _routes(*rows: tuple[str, str, Handler, int]) -> tuple[Route, ...]:
    """Routes of rows; whatever can be asked with HEAD can be asked with GET."""
    routes = [
        Route(method, tuple(part for part in path.split("/") if part), handler, status)
        for method, path, handler, status in rows
    ]
    return (*routes, *(Route("GET", one.pattern, one.handler, one.status) for one in routes if one.method == "HEAD"))


_SHARED = (
    ("HEAD", "connections/{connection}", connection_exists, 200),
    ("HEAD", "groups/{group}", group_exists, 200),
    ("HEAD", "users/{user}", user_exists, 200),
    ("PUT", "groups/{group}/connections/{connection}", connection_joins, 200),
    ("DELETE", "groups/{group}/connections/{connection}", connection_leaves, 200),
)
_VERSION_1 = _routes(
    *_SHARED,
    ("POST", "", send_to_all, 202),
    ("POST", "users/{user}", send_to_user, 202),
    ("POST", "groups/{group}", send_to_group, 202),
    ("POST", "connections/{connection}", send_to_connection, 202),
    ("DELETE", "connections/{connection}", close_connection, 202),
    ("HEAD", "groups/{group}/users/{user}", user_in_group, 200),
    ("HEAD", "users/{user}/groups/{group}", user_in_group, 200),
    ("PUT", "groups/{group}/users/{user}", user_joins, 202),
    ("PUT", "users/{user}/groups/{group}", user_joins, 202),
    ("DELETE", "groups/{group}/users/{user}", user_leaves, 202),
    ("DELETE", "users/{user}/groups/{group}", user_leaves, 202),
    ("DELETE", "users/{user}/groups", user_leaves_all, 200),
)
_NEWER = _routes(
    *_SHARED,
    ("POST", ":send", send_to_all, 202),
    ("POST", "users/{user}/:send", send_to_user, 202),
    ("POST", "groups/{group}/:send", send_to_group, 202),
    ("POST", "connections/{connection}/:send", send_to_connection, 202),
    ("POST", ":closeConnections", close_all, 204),
    ("POST", "groups/{group}/:closeConnections", close_group, 204),
    ("POST", "users/{user}/:closeConnections", close_user, 204),
    ("DELETE", "connections/{connection}", close_connection, 200),
    ("DELETE", "connections/{connection}/groups", connection_leaves_all, 200),
    ("HEAD", "users/{user}/groups/{group}", user_in_group, 200),
    ("PUT", "users/{user}/groups/{group}", user_joins, 200),
    ("DELETE", "users/{user}/groups/{group}", user_leaves, 204),
    ("DELETE", "users/{user}/groups", user_leaves_all, 204),
    ("GET", "groups/{group}/connections", list_connections, 200),
)


class RestApi:
    """ASGI application below `/api`."""

    def __init__(self, registry: Registry, keys: AccessKeys, origins: Origins) -> None:
        self._registry = registry
        self._keys = keys
        self._origins = origins

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            status, document = await self._served(scope, receive)
        except RestError as error:
            await _answer_error(send, error)
        else:
            await _answer(send, status, b"" if document is None else orjson.dumps(document), [])

    async def _served(self, scope: Any, receive: Receive) -> tuple[int, dict[str, Any] | None]:
        """Do what was asked; returns status and document. Raises RestError."""
        segments = scope["raw_path"].decode("latin-1").strip("/").split("/")[1:]
        if segments in (["health"], ["v1", "health"]):
            return 200, None
        query = parse_qs(scope["query_string"].decode("latin-1"), errors="replace", max_num_fields=1000)
        routes, below = _version(segments, query)
        self._check_token(scope)
        route, names = _find(routes, scope["method"], below[1:])
        name = hub_name(unquote(below[0]), query.get("application", [None])[0])
        _check_names(name, names)
        assert name is not None
        body = await _body(receive, self._registry.limits.max_message_bytes)
        address = self._origins.of(scope)[-1] + scope["raw_path"].decode("latin-1")
        return route.status, route.handler(Call(self._registry, name, names, query, body, address))

    def _check_token(self, scope: Any) -> None:
        try:
            self._keys.claims(bearer(scope), self._origins.request_audiences(scope))
        except TokenError as error:
            raise RestError(401, "Unauthorized", str(error)) from error


def _version(segments: list[str], query: Mapping[str, list[str]]) -> tuple[tuple[Route, ...], list[str]]:
    """The version's routes, and the path from the hub's name. Raises RestError."""
    if segments[:2] == ["v1", "hubs"] and len(segments) > 2:
        return _VERSION_1, segments[2:]
    if segments[:1] == ["hubs"] and len(segments) > 1:
        if not _API_VERSION.match(query.get("api-version", [""])[0]):
            raise RestError(400, "Error.Request.Invalid", "'api-version' must be a date such as 2022-06-01")
        return _NEWER, segments[1:]
    raise RestError(404, "NotFound")


def _find(routes: tuple[Route, ...], method: str, segments: list[str]) -> tuple[Route, dict[str, str]]:
    for route in routes:
        names = route.match(method, segments)
        if names is not None:
            return route, names
    raise RestError(404, "NotFound")


def _check_names(hub: str | None, names: Mapping[str, str]) -> None:
    if hub is None:
        raise RestError(400, "Error.Hub.Invalid", "The hub's or the application's name is not valid.")
    group = names.get("group")
    if group is not None and not (group.strip() and len(group) <= MAX_GROUP_NAME):
        raise RestError(400, "Error.Group.Invalid", f"A group's name has 1 to {MAX_GROUP_NAME} characters.")
    if not all(names.values()):
        raise RestError(400, "Error.Request.Invalid", "An id must not be empty.")


async def _body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises RestError past the limit."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RestError(400, "Error.Request.Invalid", "The client closed the connection.")
        body += message.get("body", b"")
        if len(body) > limit:
            raise RestError(413, "Error.Request.TooLarge", f"The body is larger than {limit} bytes.")
        if not message.get("more_body"):
            return bytes(body)


def _invocation(body: bytes) -> Invocation:
    """PayloadMessage of the API; names of its members have no case. Raises RestError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RestError(400, "Error.Message.Invalid", f"The body is not JSON: {error}") from error
    members = {name.lower(): value for name, value in document.items()} if isinstance(document, dict) else {}
    target, arguments = members.get("target"), members.get("arguments")
    if not isinstance(target, str) or not target:
        raise RestError(400, "Error.Message.Invalid", "'target' must name a method.")
    if not isinstance(arguments, list | None):
        raise RestError(400, "Error.Message.Invalid", "'arguments' must be an array.")
    return Invocation(target, arguments or [])


async def _answer_error(send: Send, error: RestError) -> None:
    headers = [(b"x-ms-error-code", error.code.encode())]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    document = {"code": error.code, "message": str(error)}
    await _answer(send, error.status, orjson.dumps(document) if str(error) else b"", headers)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    if body:
        headers.append((b"content-type", b"application/json; charset=utf-8"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
