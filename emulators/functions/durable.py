"""Joins the app's Durable functions and the engine: `Invoker` towards it, webhooks and RPC towards clients.

Every process that has durable clients serves the SDK's local RPC itself, on a loopback port of its own
without a key, as the extension does; only the process that has the durable functions works the hub.
"""

from collections.abc import Mapping, Sequence

from starlette.routing import BaseRoute, Mount, Router

from emulators.durable.contract import FunctionFailed, Invoker, TaskHub, WebhookAddresses
from emulators.functions import worker
from emulators.functions.definitions import DurableTrigger, FunctionDefinition
from emulators.functions.execution import Executor, trace_context
from emulators.functions.serving import HttpServer
from emulators.functions.settings import resolve
from emulators.functions.sockets import bind
from emulators.functions.worker import TypedData
from emulators.processes.background import Background

WEBHOOK_PATH = "/runtime/webhooks/durabletask"
PAGE_PATH = "/runtime/durable"
_RPC_PATH = "/durabletask"
_DEFAULT_HUB = "TestHubName"


class WorkerInvoker(Invoker):
    """Runs durable functions through the worker library; orchestrators on the loop, for they never wait."""

    def __init__(self, functions: Sequence[FunctionDefinition], executor: Executor) -> None:
        self._executor = executor
        self._functions: dict[tuple[str, str], FunctionDefinition] = {}
        for function in functions:
            if isinstance(function.trigger, DurableTrigger):
                self._functions[function.trigger.kind, function.trigger.name.lower()] = function
                if function.trigger.kind == "orchestrationTrigger":
                    worker.run_on_loop(function.function_id)
        self.orchestrators = self._names("orchestrationTrigger")
        self.activities = self._names("activityTrigger")
        self.entities = self._names("entityTrigger")

    async def orchestrate(self, name: str, payload: str) -> str:
        return await self._run("orchestrationTrigger", name, TypedData(string=payload))

    async def run_activity(self, name: str, payload: str, instance_id: str) -> str:
        return await self._run("activityTrigger", name, TypedData(json=payload), instance_id)

    async def run_entity(self, name: str, payload: str) -> str:
        return await self._run("entityTrigger", name, TypedData(string=payload))

    def _names(self, kind: str) -> frozenset[str]:
        return frozenset(
            function.trigger.name
            for (its_kind, _), function in self._functions.items()
            if its_kind == kind and isinstance(function.trigger, DurableTrigger)
        )

    async def _run(self, kind: str, name: str, payload: TypedData, instance_id: str = "") -> str:
        function = self._functions[kind, name.lower()]
        metadata = {"instanceId": TypedData(string=instance_id)} if instance_id else {}
        outcome = await self._executor.run(function, payload, trace_context(), metadata)
        if outcome.failure is not None:
            raise FunctionFailed(outcome.failure.message, outcome.failure.exception_type)
        return "null" if outcome.return_value is None else str(outcome.return_value.value)


class DurableHost:
    """This process's end of the task hub."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub
        self._rpc: HttpServer | None = None

    async def serve_rpc(self, public_url: str, system_key: str, background: Background) -> str:
        """Serve the SDK's local RPC; returns the durableClient binding for it."""
        listener = bind("127.0.0.1", 0)
        port = listener.getsockname()[1]
        self._rpc = HttpServer(Router([Mount(_RPC_PATH, routes=self._hub.routes())]), listener, grace_s=1)
        await self._rpc.listen(background)
        rpc_url = f"http://127.0.0.1:{port}{_RPC_PATH}/"
        return self._hub.client_binding(WebhookAddresses(public_url, system_key, rpc_url))

    def webhook_routes(self) -> list[BaseRoute]:
        """Routes for the public address; the host checks the system key before it calls them."""
        return [
            Mount(WEBHOOK_PATH, routes=self._hub.routes()),
            Mount(PAGE_PATH, routes=self._hub.page_routes()),
        ]

    async def start_worker(self, functions: Sequence[FunctionDefinition], executor: Executor) -> None:
        await self._hub.start_worker(WorkerInvoker(functions, executor))

    async def drain(self, timeout_s: float) -> None:
        await self._hub.drain(timeout_s)
        if self._rpc is not None:
            await self._rpc.stop()


def hub_name(section: Mapping[str, object], settings: Mapping[str, str]) -> str:
    """`hubName` of host.json's durableTask section, or the local default of the extension. Raises SettingsError."""
    return resolve(str(section.get("hubName") or _DEFAULT_HUB), settings)
