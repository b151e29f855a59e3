"""What no other route takes: unknown paths (404), known paths with another method (405), and OPTIONS (204)."""

import secrets
from typing import Final

import azure.durable_functions as df
import azure.functions as func

from functions.edge.requests import called_path, require_host
from functions.edge.responses import Reply, refuse, respond
from shared.contracts.routes import methods_of
from shared.domain.errors import BrokerError, MethodNotAllowedError, RouteNotFoundError
from shared.telemetry import begin_request

_CATCH_ALL: Final = "{*path}"

blueprint = df.Blueprint()


# Without a list of methods the host passes all of them on.
@blueprint.route(route=_CATCH_ALL, auth_level=func.AuthLevel.ANONYMOUS)
async def unknown_path(req: func.HttpRequest) -> func.HttpResponse:
    """See `answer_unknown`."""
    return answer_unknown(req)


def answer_unknown(request: func.HttpRequest) -> func.HttpResponse:
    """Say which methods the path takes, or that there is no such path. Never raises."""
    request_id = secrets.token_hex(12)
    begin_request(request_id)
    instance = called_path(_CATCH_ALL, request.route_params)
    try:
        return respond(_options(request), request_id, None)
    except BrokerError as error:
        return refuse(error, instance, request_id)


def _options(request: func.HttpRequest) -> Reply:
    require_host(request.headers)
    path = request.route_params.get("path", "")
    taken = methods_of(path)
    if not taken:
        raise RouteNotFoundError("There is no such path: GET /api/openapi.json lists all of them")
    if request.method.upper() != "OPTIONS":
        raise MethodNotAllowedError(taken)
    return Reply(b"", 204, {"Allow": ", ".join(sorted({*taken, "OPTIONS"}))})
