"""Answers, query parameters and errors that the routes of the management API share.

Rules: errors have the extension's shape; a value that cannot be read counts as absent, as it does there.
Source: HttpApiHandler.cs in Azure/azure-functions-durable-extension.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.durable.client import HubUnavailableError, InstanceExistsError
from emulators.durable.history import parse_utc
from emulators.durable.limits import LimitExceededError
from emulators.durable.turn import RefusedError

type Handler = Callable[[Request], Awaitable[Response]]

CONTINUATION = "x-ms-continuation-token"


def route(path: str, handler: Handler, *methods: str) -> Route:
    """A route whose handler may raise the hub's errors."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except HubUnavailableError as error:
            return failed(503, str(error), {"Retry-After": "1"})
        except InstanceExistsError as error:
            return failed(409, str(error))
        except (LimitExceededError, RefusedError) as error:
            return wrong_argument(str(error))

    return Route(path, answer, methods=list(methods))


def empty(status: int) -> Response:
    """An answer without body."""
    return Response(status_code=status)


def failed(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as the extension words it."""
    return JSONResponse({"Message": message}, status, headers)


def wrong_argument(message: str) -> Response:
    """400, in the shape from which the SDK reads `ExceptionMessage`."""
    body = {
        "Message": "One or more of the arguments submitted is incorrect",
        "ExceptionMessage": message,
        "ExceptionType": "System.ArgumentException",
        "StackTrace": None,
    }
    return JSONResponse(body, 400)


def json_text(body: bytes) -> str | None:
    """The body's JSON, escaped so that it can be stored; None if the body is empty. Raises ValueError."""
    if not body:
        return None
    return json.dumps(json.loads(body), separators=(",", ":"))


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A parameter that is true or false."""
    value = request.query_params.get(name, "").lower()
    return value == "true" if value in {"true", "false"} else default


def seconds(request: Request, name: str) -> float | None:
    """A parameter in seconds, not below zero."""
    try:
        return max(0.0, float(request.query_params[name]))
    except (KeyError, ValueError):
        return None


def whole_number(request: Request, name: str, default: int) -> int:
    """A parameter that counts, at least 1."""
    try:
        return max(1, int(request.query_params[name]))
    except (KeyError, ValueError):
        return default


def moment(request: Request, name: str) -> datetime | None:
    """A parameter that names a time, UTC unless it says otherwise."""
    try:
        return parse_utc(request.query_params[name].replace(" ", "+"))
    except (KeyError, ValueError):
        return None
