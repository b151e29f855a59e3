"""What no other route takes: unknown paths, and known paths with another method. One error format here too.

Both answer 404: to the Functions host a route is its path together with its methods, and clients see one error for
both. Where the path is known, the message and `Allow` name the methods it takes.
"""

import re
import secrets
from typing import Final
from urllib.parse import urlsplit

import azure.durable_functions as df
import azure.functions as func

from functions.edge.responses import refuse
from shared.contracts.routes import ROUTES
from shared.domain.errors import RouteNotFoundError
from shared.telemetry import begin_request

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_PARAMETER: Final = re.compile(r"\\\{\w+\\\}")
_PATHS: Final = [
    (re.compile("/api/" + _PARAMETER.sub("[^/]+", re.escape(route.path)), re.IGNORECASE), route.method)
    for route in ROUTES
]

blueprint = df.Blueprint()


@blueprint.route(route="{*path}", methods=_METHODS, auth_level=func.AuthLevel.ANONYMOUS)
async def unknown_path(req: func.HttpRequest) -> func.HttpResponse:
    """See `answer_unknown`."""
    return answer_unknown(req)


def answer_unknown(request: func.HttpRequest) -> func.HttpResponse:
    """A problem that says which methods the path takes, if any."""
    request_id = secrets.token_hex(12)
    begin_request(request_id)
    path = urlsplit(request.url).path
    allowed = sorted(method for pattern, method in _PATHS if pattern.fullmatch(path))
    if not allowed:
        error = RouteNotFoundError("There is no such path: GET /api/openapi.json lists all of them")
        return refuse(error, path, request_id)
    methods = ", ".join(allowed)
    response = refuse(RouteNotFoundError(f"This path takes {methods}, not {request.method}"), path, request_id)
    response.headers["Allow"] = methods
    return response
