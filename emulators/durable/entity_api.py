"""The management API's entities: signal, read, list.

Rules: GET of a state is 200 with the state's JSON or 404; a signal is 202, and 400 for a name that the app
does not have; `$` stands for an empty key; DELETE signals the operation `delete`.
Source: HttpApiHandler.cs and DurableClient.cs in Azure/azure-functions-durable-extension.
"""

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from emulators.durable.answers import CONTINUATION, empty, failed, flag, json_text, moment, route, whole_number
from emulators.durable.client import HubClient
from emulators.durable.entities import EntityId
from emulators.durable.events import utc_text
from emulators.durable.limits import check_payload
from emulators.durable.store import EntityRow
from emulators.durable.texts import storable

_PAGE = 100
_MOST_PER_PAGE = 1000
_EMPTY_KEY = "$"


class EntityApi:
    """The routes of one task hub's entities."""

    def __init__(self, client: HubClient) -> None:
        self._client = client

    def routes(self) -> Sequence[BaseRoute]:
        """The routes, relative to their mount point."""
        return [
            route("/entities", self._list, "GET"),
            route("/entities/", self._list, "GET"),
            route("/entities/{name}", self._list, "GET"),
            route("/entities/{name}/", self._list, "GET"),
            route("/entities/{name}/{key}", self._read, "GET"),
            route("/entities/{name}/{key}", self._signal, "POST", "DELETE"),
        ]

    async def _read(self, request: Request) -> Response:
        row = await self._client.entity(_id(request))
        if row is None:
            return empty(404)
        return Response(row.state or "null", media_type="application/json")

    async def _signal(self, request: Request) -> Response:
        operation = "delete" if request.method == "DELETE" else request.query_params.get("op", "")
        body = await request.body()
        if request.headers.get("content-type", "").lower().startswith("application/json"):
            try:
                text = json_text(body)
            except ValueError as error:
                return failed(400, f"Could not parse JSON content: {error}")
        else:
            text = json.dumps(body.decode("utf-8", "replace")) if body else None
        check_payload("The input", text)
        await self._client.signal(_id(request), storable(operation), text)
        return empty(202)

    async def _list(self, request: Request) -> Response:
        limit = min(whole_number(request, "top", _PAGE), _MOST_PER_PAGE)
        name = request.path_params.get("name")
        rows = await self._client.entities(
            prefix=None if not name else str(EntityId.of(name, "")),
            since=moment(request, "lastOperationTimeFrom"),
            until=moment(request, "lastOperationTimeTo"),
            after=_after(request),
            limit=limit,
        )
        with_state = flag(request, "fetchState")
        token = rows[-1].instance_id if len(rows) == limit else ""
        views = [_view(row, with_state=with_state) for row in rows]
        return JSONResponse(views, headers={CONTINUATION: token.encode().hex()})


def _after(request: Request) -> str | None:
    try:
        return bytes.fromhex(request.headers.get(CONTINUATION, "")).decode() or None
    except ValueError:
        return None


def _id(request: Request) -> EntityId:
    key = request.path_params["key"]
    return EntityId.of(storable(request.path_params["name"]), "" if key == _EMPTY_KEY else storable(key))


def _view(row: EntityRow, *, with_state: bool) -> dict[str, Any]:
    entity = EntityId.parse(row.instance_id)
    view: dict[str, Any] = {
        "entityId": {"name": entity.name, "key": entity.key},
        "lastOperationTime": utc_text(row.updated_at),
    }
    if with_state:
        view["state"] = json.loads(row.state or "null")
    return view
