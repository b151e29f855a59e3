"""The HTTP trigger as a lean ASGI application.

What the real host answers by itself is answered the same way: 404 without body for an unknown path or a
wrong method, 401 without body for a missing key, 413 for a body over the limit, 500 without body when
the function raised, 204 when it returned nothing.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote

from emulators.functions.definitions import AuthLevel, FunctionDefinition, HttpTrigger
from emulators.functions.execution import Executor, trace_context
from emulators.functions.keys import Keys
from emulators.functions.logging import get_logger
from emulators.functions.routing import Router, compile_template, decoded
from emulators.functions.worker import NO_DATA, InvocationOutcome, RpcHttp, RpcHttpCookie, TypedData

type Scope = Any
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]
type AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
type RawHeaders = list[tuple[bytes, bytes]]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HOP_BY_HOP = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"})
_CONTENT_TYPES = {
    "string": b"text/plain; charset=utf-8",
    "json": b"application/json; charset=utf-8",
    "bytes": b"application/octet-stream",
}
_CLOSE: RawHeaders = [(b"content-length", b"0"), (b"connection", b"close")]
_logger = get_logger("host.http")


class BodyTooLargeError(Exception):
    """The request's body is over the limit."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class InvalidResponseError(Exception):
    """What the function returned is no valid HTTP response."""


class HttpHost:
    """Routes requests to HTTP functions and everything else to the admin application."""

    def __init__(
        self,
        functions: Sequence[FunctionDefinition],
        executor: Executor,
        keys: Keys,
        admin: AsgiApp,
        *,
        route_prefix: str,
        body_limit: int,
        custom_headers: Mapping[str, str],
    ) -> None:
        self._executor = executor
        self._keys = keys
        self._admin = admin
        self._body_limit = body_limit
        self._custom_headers = _encode_headers(custom_headers)
        self._router: Router[FunctionDefinition] = Router()
        for function in functions:
            if isinstance(function.trigger, HttpTrigger):
                template = compile_template(f"{route_prefix}/{function.trigger.route.lstrip('/')}")
                self._router.add(template, function.trigger.methods, function)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = decoded(scope["raw_path"])
        if path is None:
            await _answer(send, 400)
            return
        found = self._router.find(scope["method"], path)
        if found is None or _is_reserved(path):
            await self._admin(scope, receive, send)
            return
        function, route_values = found
        try:
            await self._serve(function, route_values, scope, receive, send)
        except BodyTooLargeError:
            await send({"type": "http.response.start", "status": 413, "headers": _CLOSE})
            await send({"type": "http.response.body", "body": b""})
        except ClientGoneError:
            return

    async def _serve(
        self, function: FunctionDefinition, route_values: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = _joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        query = _query(scope["query_string"])
        assert isinstance(function.trigger, HttpTrigger)
        if not self._allowed(function.name, function.trigger.auth_level, headers, query):
            await _answer(send, 401)
            return
        body = await read_body(receive, headers.get("content-length"), self._body_limit)
        request = RpcHttp(
            method=scope["method"],
            url=_url(scope, headers),
            headers=headers,
            body=TypedData(bytes=body) if body else NO_DATA,
            params=route_values,
            query=query,
        )
        trace = trace_context(headers.get("traceparent"), headers.get("tracestate", ""))
        outcome = await self._executor.run(function, TypedData(http=request), trace)
        status, response_headers, payload = _response(function, outcome)
        await send(
            {"type": "http.response.start", "status": status, "headers": response_headers + self._custom_headers}
        )
        await send({"type": "http.response.body", "body": payload})

    def _allowed(self, function: str, level: AuthLevel, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        if level is AuthLevel.ANONYMOUS:
            return True
        return self._keys.opens(given_key(headers, query), level, function)


def given_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The access key of a request, empty without one; names of queries are as good in capitals, as in ASP.NET."""
    return headers.get("x-functions-key") or next((query[name] for name in query if name.lower() == "code"), "")


def _is_reserved(path: str) -> bool:
    """Paths of the host itself come before a catch-all function."""
    first = path.partition("/")[0].lower()
    return first == "admin" or path.lower().startswith(("runtime/webhooks/", "runtime/durable/"))


def _joined(pairs: Any) -> dict[str, str]:
    """Repeated names joined with commas, as the .NET host hands them to workers."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _query(query_string: bytes) -> dict[str, str]:
    if not query_string:
        return {}
    return _joined(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, errors="replace"))


def _url(scope: Scope, headers: Mapping[str, str]) -> str:
    host = headers.get("host") or ":".join(map(str, scope.get("server") or ("localhost",)))
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"]
    return f"{scope['scheme']}://{host}{path}" + (f"?{query.decode('latin-1')}" if query else "")


async def read_body(receive: Receive, declared: str | None, limit: int) -> bytes:
    """The whole body. Raises BodyTooLargeError as soon as it is known, ClientGoneError."""
    if declared is not None and declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise BodyTooLargeError
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


_UNSET = TypedData(http=RpcHttp(body=TypedData(bytes=b"")))


def _response(function: FunctionDefinition, outcome: InvocationOutcome) -> tuple[int, RawHeaders, bytes]:
    if outcome.failure is not None:
        return 500, [(b"content-length", b"0")], b""
    try:
        return _converted(_http_value(function, outcome))
    except (InvalidResponseError, ValueError) as error:
        _logger.exception("The function's response is not valid HTTP", function=function.name, error=str(error))
        return 500, [(b"content-length", b"0")], b""


def _http_value(function: FunctionDefinition, outcome: InvocationOutcome) -> TypedData | None:
    """What the response is made of; a function whose HTTP output was not set answers 200 without a body."""
    for binding in function.raw_bindings:
        if binding["type"] == "http" and binding["name"] != "$return":
            return outcome.outputs.get(binding["name"], _UNSET)
    is_elsewhere = any(output.parameter == "$return" for output in function.outputs)
    return _UNSET if is_elsewhere else outcome.return_value


def _converted(value: TypedData | None) -> tuple[int, RawHeaders, bytes]:
    if value is None:
        return 204, [], b""
    kind = value.WhichOneof("data")
    if kind != "http":
        payload = _payload(value)
        return 200, [(b"content-type", _CONTENT_TYPES[kind]), _content_length(payload)], payload
    response: RpcHttp = value.value
    status = int(response.status_code)
    if not 200 <= status <= 599:
        raise InvalidResponseError(f"status code {status} is out of range")
    headers = _encode_headers(response.headers)
    headers += [(b"set-cookie", _set_cookie(cookie)) for cookie in response.cookies]
    if status in (204, 205, 304):
        return status, headers, b""
    payload = _payload(response.body)
    headers.append(_content_length(payload))
    return status, headers, payload


def _payload(value: TypedData) -> bytes:
    content = value.value
    return content if isinstance(content, bytes) else str(content).encode()


def _content_length(payload: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(payload)


def _encode_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as bytes. Raises InvalidResponseError: a line break would let an app forge headers."""
    encoded: RawHeaders = []
    for name, value in headers.items():
        lowered = name.lower()
        if lowered in _HOP_BY_HOP:
            continue
        if not _TOKEN.match(lowered) or _FORBIDDEN_IN_VALUE.search(value):
            raise InvalidResponseError(f"header {name!r} has a character that HTTP does not allow")
        encoded.append((lowered.encode(), value.encode("latin-1")))
    return encoded


def _set_cookie(cookie: RpcHttpCookie) -> bytes:
    """A Set-Cookie value as ASP.NET writes it (RFC 6265 4.1); a domain or path that is not given comes empty."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires is not None:
        parts.append(f"expires={formatdate(cookie.expires.value.seconds, usegmt=True)}")
    if cookie.max_age is not None:
        parts.append(f"max-age={cookie.max_age.value:.0f}")
    if cookie.domain is not None:
        parts.append(f"domain={cookie.domain.value}")
    parts.append(f"path={'/' if cookie.path is None else cookie.path.value}")
    if cookie.secure is not None and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site is not None:
        parts.append("samesite=" + cookie.same_site.removeprefix("Explicit").lower())
    if cookie.http_only is not None and cookie.http_only.value:
        parts.append("httponly")
    text = "; ".join(parts)
    if _FORBIDDEN_IN_VALUE.search(text):
        raise InvalidResponseError(f"cookie {cookie.name!r} has a character that HTTP does not allow")
    return text.encode("latin-1")
