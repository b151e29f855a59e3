"""The management API: the extension's HTTP calls, for the SDK's local RPC and for the public webhook alike.

Purpose: the unmodified SDK, curl, and the addresses in a check-status payload get the answers that the
Durable extension gives. Source: HttpApiHandler.cs in Azure/azure-functions-durable-extension.
Rules: every answer of the RPC is JSON, because the SDK parses bodies of every status. While the database
is away: 503 with Retry-After.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from emulators.durable.addresses import management_urls
from emulators.durable.answers import (
    CONTINUATION,
    empty,
    failed,
    flag,
    json_text,
    moment,
    route,
    seconds,
    whole_number,
)
from emulators.durable.client import Condition, HubClient
from emulators.durable.entity_api import EntityApi
from emulators.durable.history import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
)
from emulators.durable.limits import LimitExceededError, check_payload
from emulators.durable.page_tokens import read_token, write_token
from emulators.durable.store import InstanceRow
from emulators.durable.texts import storable
from emulators.durable.turn import COMPLETED, FAILED, FINISHED
from emulators.durable.views import history_view, status_view

_PAGE = 100
_MOST_PER_PAGE = 1000
_FIRST_POLL_S = 0.01


class ManagementApi:
    """The routes of one task hub."""

    def __init__(self, hub: str, client: HubClient) -> None:
        self._hub = hub
        self._client = client

    def routes(self) -> Sequence[BaseRoute]:
        """The routes, relative to their mount point."""
        return [
            route("/orchestrators/{name}", self._start, "POST"),
            route("/orchestrators/{name}/{id}", self._start, "POST"),
            route("/instances", self._list, "GET"),
            route("/instances/", self._list, "GET"),
            route("/instances", self._purge_where, "DELETE"),
            route("/instances/", self._purge_where, "DELETE"),
            route("/instances/{id}", self._status, "GET"),
            route("/instances/{id}", self._purge, "DELETE"),
            route("/instances/{id}/raiseEvent/{event}", self._raise_event, "POST"),
            route("/instances/{id}/{operation}", self._operate, "POST"),
            *EntityApi(self._client).routes(),
            route("/{path:path}", _not_found, "GET", "POST", "PUT", "DELETE"),
        ]

    async def _start(self, request: Request) -> Response:
        body = await request.body()
        try:
            text = json_text(body)
        except ValueError:
            return failed(400, "Invalid JSON content")
        name, instance_id = request.path_params["name"], request.path_params.get("id")
        instance_id = await self._client.start(name, instance_id, text, request.query_params.get("version"))
        timeout_s, interval_s = seconds(request, "timeout"), seconds(request, "pollingInterval")
        if timeout_s is not None and interval_s is not None:
            return await self._wait(request, instance_id, timeout_s, interval_s)
        return self._check_status(request, instance_id)

    async def _wait(self, request: Request, instance_id: str, timeout_s: float, interval_s: float) -> Response:
        if interval_s > timeout_s:
            raise LimitExceededError(f"Total timeout {timeout_s} should be bigger than retry timeout {interval_s}")
        instance = await self._finished(instance_id, timeout_s, interval_s)
        if instance is None:
            return self._check_status(request, instance_id)
        if instance.status == COMPLETED:
            return Response(instance.output or "null", media_type="application/json")
        return JSONResponse(status_view(instance, show_input=True))

    async def _finished(self, instance_id: str, timeout_s: float, interval_s: float) -> InstanceRow | None:
        """The instance once it has finished, None if that takes longer; quick ones are not made to wait."""
        pause_s = min(_FIRST_POLL_S, interval_s)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            instance = await self._client.status(instance_id)
            if instance is not None and instance.status in FINISHED:
                return instance
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                return None
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, max(interval_s, _FIRST_POLL_S))

    def _check_status(self, request: Request, instance_id: str) -> Response:
        key = request.query_params.get("code")
        base_url = f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"
        links = management_urls(self._hub, base_url, instance_id, f"code={key}" if key else "")
        headers = {"Location": links["statusQueryGetUri"], "Retry-After": "10"}
        return JSONResponse(links, 202, headers)

    async def _status(self, request: Request) -> Response:
        instance = await self._client.status(request.path_params["id"])
        if instance is None:
            return empty(404)
        show_input, show_output = flag(request, "showInput", default=True), flag(request, "showHistoryOutput")
        view = status_view(instance, show_input=show_input)
        if flag(request, "showHistory"):
            events = await self._client.history(instance.execution_id)
            view["historyEvents"] = history_view(events, show_input=show_input, show_output=show_output)
        if instance.status not in FINISHED:
            return JSONResponse(view, 202, {"Location": str(request.url), "Retry-After": "5"})
        failed = instance.status == FAILED and flag(request, "returnInternalServerErrorOnFailure")
        return JSONResponse(view, 500 if failed else 200)

    async def _list(self, request: Request) -> Response:
        limit = min(whole_number(request, "top", _PAGE if "top" in request.query_params else 0), _MOST_PER_PAGE)
        after = read_token(request.headers.get(CONTINUATION))
        condition = _condition(request)
        show_input = flag(request, "showInput", default=True)
        found = await self._client.instances(condition, limit or _MOST_PER_PAGE, after)
        token = ""
        if limit and len(found) == limit:
            token = write_token(found[-1])
        while not limit and found and len(found) % _MOST_PER_PAGE == 0:
            more = await self._client.instances(
                condition, _MOST_PER_PAGE, (found[-1].created_at, found[-1].instance_id)
            )
            if not more:
                break
            found += more
        return JSONResponse([status_view(row, show_input=show_input) for row in found], headers={CONTINUATION: token})

    async def _purge(self, request: Request) -> Response:
        deleted = await self._client.purge(request.path_params["id"])
        return JSONResponse({"instancesDeleted": deleted}) if deleted else empty(404)

    async def _purge_where(self, request: Request) -> Response:
        condition = _condition(request)
        if condition.created_from is None:
            return failed(400, "Please provide value for 'createdTimeFrom' parameter.")
        until = condition.created_to or datetime.now(UTC)
        deleted = await self._client.purge_where(Condition(None, condition.created_from, until, condition.statuses))
        return JSONResponse({"instancesDeleted": deleted}) if deleted else empty(404)

    async def _raise_event(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return failed(400, "Only application/json request content is supported")
        try:
            text = json_text(await request.body())
        except ValueError:
            return failed(400, "Invalid JSON content")
        check_payload("The event", text)
        event = EventRaised(datetime.now(UTC), storable(request.path_params["event"]), text)
        return _sent(await self._client.send(request.path_params["id"], event))

    async def _operate(self, request: Request) -> Response:
        operation = request.path_params["operation"].lower()
        if operation == "rewind":
            return await self._rewind(request)
        if operation == "restart":
            return await self._restart(request)
        kind = {"terminate": ExecutionTerminated, "suspend": ExecutionSuspended, "resume": ExecutionResumed}.get(
            operation
        )
        if kind is None:
            return empty(404)
        reason = storable(request.query_params.get("reason", ""))
        return _sent(await self._client.send(request.path_params["id"], kind(datetime.now(UTC), reason)))

    async def _rewind(self, request: Request) -> Response:
        status = await self._client.rewind(request.path_params["id"], storable(request.query_params.get("reason", "")))
        if status is None:
            return empty(404)
        if status == FAILED:
            return empty(202)
        if status in FINISHED:
            return empty(410)
        return failed(500, "The rewind operation is only supported on failed orchestration instances.")

    async def _restart(self, request: Request) -> Response:
        row = await self._client.status(request.path_params["id"])
        if row is None:
            return empty(404)
        fresh = flag(request, "restartWithNewInstanceId", default=True)
        instance_id = await self._client.start(row.name, None if fresh else row.instance_id, row.input)
        return self._check_status(request, instance_id)


async def _not_found(_: Request) -> Response:
    return empty(404)


def _sent(status: str | None) -> Response:
    if status is None:
        return empty(404)
    return empty(410 if status in FINISHED else 202)


def _condition(request: Request) -> Condition:
    statuses = [part for value in request.query_params.getlist("runtimeStatus") for part in value.split(",") if part]
    return Condition(
        request.query_params.get("instanceIdPrefix"),
        moment(request, "createdTimeFrom"),
        moment(request, "createdTimeTo"),
        statuses or None,
    )
