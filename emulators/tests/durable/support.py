"""A small function app for the engine's tests: real SDK handles, no Functions host."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
import uvicorn
from azure.durable_functions.models.utils import http_utils
from azure.functions import _durable_functions as codec
from starlette.applications import Starlette
from starlette.routing import Mount

from emulators.durable import DurableTaskHub
from emulators.durable.contract import FunctionFailed, WebhookAddresses
from emulators.tests.support.waiting import eventually

SYSTEM_KEY = "system-key"


class AppInvoker:
    """Runs orchestrators through the SDK's own handles and activities as plain callables."""

    def __init__(self, *, keeps_notes: bool = True) -> None:
        self._keeps_notes = keeps_notes
        self._orchestrators: dict[str, Callable[[Any], str]] = {}
        self._activities: dict[str, Callable[..., Any]] = {}
        self._entities: dict[str, Callable[[Any], str]] = {}
        self.batches: list[dict[str, Any]] = []
        self.turns: dict[str, int] = {}
        self.calls: list[tuple[str, Any]] = []
        self.payloads: list[dict[str, Any]] = []

    @property
    def orchestrators(self) -> frozenset[str]:
        return frozenset(self._orchestrators)

    @property
    def activities(self) -> frozenset[str]:
        return frozenset(self._activities)

    @property
    def entities(self) -> frozenset[str]:
        return frozenset(self._entities)

    def entity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register an entity function, as `@app.entity_trigger` does."""
        self._entities[function.__name__] = df.Entity.create(function)
        return function

    def entity_answering(self, name: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Register an entity that answers the trigger's JSON itself, as another language's SDK does."""
        self._entities[name] = lambda context: json.dumps(answer(json.loads(context.body)))

    def orchestrator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register a generator function, as `@app.orchestration_trigger` does."""
        self._orchestrators[function.__name__] = df.Orchestrator.create(function)
        return function

    def activity(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register a function of one argument, as `@app.activity_trigger` does."""
        self._activities[function.__name__] = function
        return function

    def activity_named(self, name: str, function: Callable[..., Any]) -> None:
        """Register an activity under another name."""
        self._activities[name] = function

    def gate(self) -> asyncio.Event:
        """An event for activities that wait for the test."""
        return asyncio.Event()

    async def orchestrate(self, name: str, payload: str) -> str:
        """One turn through the unmodified SDK."""
        data = json.loads(payload)
        if self._keeps_notes:
            self.payloads.append(data)
            self.turns[data["instanceId"]] = self.turns.get(data["instanceId"], 0) + 1
        try:
            return self._orchestrators[name](codec.OrchestrationContext(payload))
        except Exception as error:
            raise FunctionFailed(f"{type(error).__name__}: {error}", type(error).__name__) from error

    async def run_activity(self, name: str, payload: str, instance_id: str) -> str:
        """One activity, decoded and encoded as the worker library does."""
        argument = codec.df_loads(payload)
        if self._keeps_notes:
            self.calls.append((name, argument))
        try:
            result = self._activities[name](argument)
            if inspect.isawaitable(result):
                result = await result
        except Exception as error:
            raise FunctionFailed(f"{type(error).__name__}: {error}", type(error).__name__) from error
        return codec.df_dumps(result)

    async def run_entity(self, name: str, payload: str) -> str:
        """One batch through the unmodified SDK."""
        if self._keeps_notes:
            self.batches.append(json.loads(payload))
        try:
            return self._entities[name](codec.EntityContext(payload))
        except Exception as error:
            raise FunctionFailed(f"{type(error).__name__}: {error}", type(error).__name__) from error


@asynccontextmanager
async def served(hub: DurableTaskHub) -> AsyncIterator[tuple[df.DurableOrchestrationClient, str]]:
    """Serve the hub's routes on a free port; yields the SDK's own client and the public base URL."""
    app = Starlette(
        routes=[Mount("/runtime/webhooks/durabletask", routes=hub.routes()), Mount("/rpc", routes=hub.routes())]
    )
    async with serving(app) as base:
        public = f"{base}/runtime/webhooks/durabletask"
        binding = hub.client_binding(WebhookAddresses(public, SYSTEM_KEY, f"{base}/rpc"))
        try:
            yield df.DurableOrchestrationClient(binding), public
        finally:
            # The SDK keeps one HTTP session for the whole process, and each test has its own loop.
            await http_utils._close_session()


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve an application on a free port; yields its base URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def finished(hub: DurableTaskHub, instance_id: str, timeout_s: float = 20.0) -> Any:
    """The instance's row once it has finished."""

    async def probe() -> Any:
        row = await hub.client.status(instance_id)
        return row if row is not None and row.status in {"Completed", "Failed", "Terminated"} else None

    return await eventually(probe, timeout_s)


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def decoded(text: str | None) -> Any:
    """A stored JSON text's value."""
    return None if text is None else json.loads(text)


def client_input(value: object) -> str:
    """An input as the SDK's client sends it: the JSON of a JSON text."""
    return json.dumps(json.dumps(value))
