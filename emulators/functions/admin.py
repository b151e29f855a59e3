"""The host's own addresses: home page, `/admin/*` with the master key, `/runtime/webhooks/*` with system keys.

Everything else is the 404 without body that the real host gives.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.routing import BaseRoute, Router

from emulators.functions.definitions import (
    DurableTrigger,
    EventHubTrigger,
    FunctionDefinition,
    HttpTrigger,
    ServiceBusTrigger,
    TimerTrigger,
    WarmupTrigger,
)
from emulators.functions.durable import PAGE_PATH, WEBHOOK_PATH
from emulators.functions.execution import Executor, trace_context
from emulators.functions.http import BodyTooLargeError, ClientGoneError, Receive, Scope, Send, given_key, read_body
from emulators.functions.keys import Keys
from emulators.functions.service_bus_messages import manual_metadata
from emulators.functions.storage_bindings import BlobTrigger, QueueTrigger
from emulators.functions.timers import timer_request_now
from emulators.functions.worker import InvocationOutcome, TypedData

_BODY_LIMIT = 1024 * 1024
_VERSION = "4.0.0"


@dataclass
class HostState:
    """`Running` once the supervisor saw every group ready."""

    state: str = "Starting"
    started: float = field(default_factory=time.monotonic)


class AdminApp:
    """ASGI application for what no HTTP function answers."""

    def __init__(
        self,
        functions: Sequence[FunctionDefinition],
        executor: Executor,
        keys: Keys,
        state: HostState,
        *,
        host_id: str,
        base_url: str,
        route_prefix: str,
    ) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._executor = executor
        self._keys = keys
        self._state = state
        self._host_id = host_id
        self._base_url = base_url
        self._route_prefix = route_prefix
        self._webhooks: Router | None = None
        self._runs: set[asyncio.Task[InvocationOutcome]] = set()

    def mount_webhooks(self, routes: Sequence[BaseRoute]) -> None:
        self._webhooks = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = "/" + scope["path"].strip("/")
        lowered = path.lower()
        if lowered == "/":
            await _send_json(send, 200 if scope["method"] in ("GET", "HEAD") else 404, None)
        elif lowered == "/admin/host/ping":
            await _send_json(send, 200 if self._state.state == "Running" else 503, None)
        elif lowered == "/admin" or lowered.startswith("/admin/"):
            await self._admin(path, scope, receive, send)
        elif self._webhooks is not None and lowered.startswith((WEBHOOK_PATH, PAGE_PATH)):
            await self._webhook(self._webhooks, scope, receive, send)
        else:
            await _send_json(send, 404, None)

    async def _webhook(self, webhooks: Router, scope: Scope, receive: Receive, send: Send) -> None:
        if self._keys.opens_webhook(_key(scope)):
            await webhooks(scope, receive, send)
        else:
            await _send_json(send, 401, None)

    async def _admin(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._keys.is_master(_key(scope)):
            await _send_json(send, 401, None)
            return
        match (scope["method"], *path.lower().split("/")[2:]):
            case ("GET", "host", "status"):
                await _send_json(send, 200, self._status())
            case ("GET", "functions"):
                await _send_json(send, 200, [self._described(function) for function in self._functions.values()])
            case ("GET", "functions", name) if name in self._functions:
                await _send_json(send, 200, self._described(self._functions[name]))
            case (_, "warmup"):
                await self._warm_up(send)
            case ("POST", "functions", name) if name in self._functions:
                await self._run(self._functions[name], receive, send)
            case _:
                await _send_json(send, 404, None)

    def _status(self) -> dict[str, Any]:
        return {
            "id": self._host_id,
            "state": self._state.state,
            "version": _VERSION,
            "processUptime": round((time.monotonic() - self._state.started) * 1000),
            "functionAppContentEditingState": "NotAllowed",
        }

    def _described(self, function: FunctionDefinition) -> dict[str, Any]:
        described: dict[str, Any] = {
            "name": function.name,
            "language": "python",
            "isDisabled": function.disabled,
            "config": {"bindings": function.raw_bindings, "name": function.name, "language": "python"},
            "href": f"{self._base_url}/admin/functions/{function.name}",
        }
        if isinstance(function.trigger, HttpTrigger):
            path = f"{self._route_prefix}/{function.trigger.route}".strip("/")
            described["invoke_url_template"] = f"{self._base_url}/{path}"
        return described

    async def _warm_up(self, send: Send) -> None:
        """What scaling does with a new instance; an app without a warm-up function is always warm."""
        for function in self._functions.values():
            if isinstance(function.trigger, WarmupTrigger) and not function.disabled:
                outcome = await self._executor.run(function, TypedData(json="{}"), trace_context())
                if outcome.failure is not None:
                    await _send_json(send, 500, None)
                    return
        await _send_json(send, 200, None)

    async def _run(self, function: FunctionDefinition, receive: Receive, send: Send) -> None:
        """A manual run, answered when it has begun."""
        try:
            body = await read_body(receive, None, _BODY_LIMIT)
        except BodyTooLargeError:
            await _send_json(send, 413, None)
            return
        except ClientGoneError:
            return
        try:
            trigger_input, metadata = _manual_input(function, body)
        except ValueError as error:
            await _send_json(send, 400, {"message": str(error)})
            return
        run = asyncio.create_task(self._executor.run(function, trigger_input, trace_context(), metadata))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        await _send_json(send, 202, None)


def _manual_input(function: FunctionDefinition, body: bytes) -> tuple[TypedData, Mapping[str, TypedData]]:
    """Trigger input from `{"input": ...}`. Raises ValueError for what can't be run by hand."""
    document = orjson.loads(body) if body.strip() else {}
    if not isinstance(document, dict):
        raise ValueError('the body must be a JSON object such as {"input": "..."}')  # noqa: TRY004 - a bad request
    given = document.get("input", "")
    text = given if isinstance(given, str) else orjson.dumps(given).decode()
    match function.trigger:
        case HttpTrigger():
            raise ValueError("call an HTTP function by its own address")
        case DurableTrigger(kind="activityTrigger"):
            return TypedData(json=text or "null"), {}
        case DurableTrigger():
            raise ValueError("start orchestrations and entities through a durable client")
        case WarmupTrigger() | TimerTrigger():  # a warm-up function looks at nothing of it
            return timer_request_now(), {}
        case BlobTrigger(container=container):
            raise ValueError(f"write a blob into the container '{container}' to run a blob function")
        case ServiceBusTrigger() | EventHubTrigger() | QueueTrigger():
            return _manual_message(function.trigger, text)


def _manual_message(
    trigger: ServiceBusTrigger | EventHubTrigger | QueueTrigger, text: str
) -> tuple[TypedData, Mapping[str, TypedData]]:
    match trigger:
        case ServiceBusTrigger(many=many):
            return manual_metadata(text, many=many)
        case EventHubTrigger(many=many):
            from emulators.functions import event_hub_messages  # noqa: PLC0415 - optional SDK

            return event_hub_messages.manual_metadata(text, many=many)
        case QueueTrigger():
            from emulators.functions.storage import queue_messages  # noqa: PLC0415 - optional SDK

            return queue_messages.manual_metadata(text)


def _key(scope: Scope) -> str:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return given_key(headers, dict(parse_qsl(scope["query_string"].decode("latin-1"), errors="replace")))


async def _send_json(send: Send, status: int, document: object) -> None:
    body = b"" if document is None else orjson.dumps(document)
    headers = [(b"content-length", b"%d" % len(body))]
    if body:
        headers.append((b"content-type", b"application/json; charset=utf-8"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
