"""Drives Microsoft's Python worker library in-process.

The library takes any objects with the attributes of the FunctionRpc protobuf messages
(Azure/azure-functions-language-worker-protobuf); the small classes here are those. One process holds one
worker, because the library keeps its registry in module globals.
"""

import importlib
import logging
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from emulators.functions import environments
from emulators.functions.logging import get_logger

RUNTIME = "azure_functions_runtime"
_logger = get_logger("host.worker")
_CHAINED = "During handling of the above exception, another exception occurred:"
_WORKER_HINT = "aka.ms/functions-modulenotfound"
_HOST_ROOT = Path(__file__).parents[2]
_WORKER_FOLDERS = ("/azure_functions_runtime/", "/importlib/", "<frozen importlib")


class AppLoadError(Exception):
    """The app could not be indexed; `traceback` starts at the app's own frames."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class TypedData:
    """FunctionRpc.TypedData: exactly one kind of value."""

    __slots__ = ("_kind", "value")

    def __init__(self, **kind_and_value: Any) -> None:
        ((self._kind, self.value),) = kind_and_value.items()

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return self._kind

    def __getattr__(self, name: str) -> Any:
        if name == self._kind:
            return self.value
        raise AttributeError(name)


class _NoData:
    def WhichOneof(self, _group: str) -> None:  # noqa: N802 - protobuf's name
        return None


NO_DATA = _NoData()


class ParameterBinding:
    """FunctionRpc.ParameterBinding: a named value that goes in or comes out."""

    __slots__ = ("data", "name")

    def __init__(self, name: str, data: Any) -> None:
        self.name = name
        self.data = data

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


class RpcHttp:
    """FunctionRpc.RpcHttp of a request or of a response."""

    __slots__ = ("body", "cookies", "headers", "method", "params", "query", "status_code", "url")

    def __init__(
        self,
        method: str = "",
        url: str = "",
        headers: Mapping[str, str] | None = None,
        body: Any = NO_DATA,
        params: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        status_code: str = "200",
        cookies: Sequence["RpcHttpCookie"] | None = None,
        **_unused: object,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers or {}
        self.body = body
        self.params = params or {}
        self.query = query or {}
        self.status_code = status_code
        self.cookies = cookies or ()


_SameSite = SimpleNamespace(Lax="Lax", Strict="Strict", ExplicitNone="None")


@dataclass(frozen=True)
class RpcHttpCookie:
    """FunctionRpc.RpcHttpCookie; nullable fields are `Nullable` or None."""

    name: str
    value: str
    domain: Any = None
    path: Any = None
    expires: Any = None
    secure: Any = None
    http_only: Any = None
    same_site: str | None = None
    max_age: Any = None

    SameSite = _SameSite


setattr(_SameSite, "None", None)


class Nullable:
    """FunctionRpc.NullableString and its siblings: one value."""

    def __init__(self, value: Any = None) -> None:
        self.value = value


@dataclass(frozen=True)
class Timestamp:
    """google.protobuf.Timestamp: seconds of Unix time."""

    seconds: int


class Message(SimpleNamespace):
    """Any FunctionRpc message whose fields are only carried."""

    Success = "Success"
    Failure = "Failure"


PROTOS = SimpleNamespace(
    BindingInfo=type("BindingInfo", (Message,), {"in": 0, "out": 1, "inout": 2, "undefined": 0}),
    FunctionLoadResponse=Message,
    FunctionMetadataResponse=Message,
    InvocationResponse=Message,
    NullableBool=Nullable,
    NullableDouble=Nullable,
    NullableString=Nullable,
    NullableTimestamp=Nullable,
    ParameterBinding=ParameterBinding,
    RpcException=Message,
    RpcFunctionMetadata=Message,
    RpcHttp=RpcHttp,
    RpcHttpCookie=RpcHttpCookie,
    RpcRetryOptions=Message,
    StatusResult=Message,
    Timestamp=Timestamp,
    TypedData=TypedData,
    WorkerInitResponse=Message,
    WorkerMetadata=Message,
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """W3C trace context of the caller (https://www.w3.org/TR/trace-context/)."""

    trace_parent: str
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryContext:
    """How often the host has repeated this invocation under the function's retry policy."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: Any = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """FunctionRpc.InvocationRequest."""

    invocation_id: str
    function_id: str
    input_data: Sequence[ParameterBinding]
    trigger_metadata: Mapping[str, TypedData]
    trace_context: TraceContext
    retry_context: RetryContext = RetryContext()


@dataclass(frozen=True, slots=True)
class InvocationFailure:
    """What the worker says about a function that raised: `TypeName: text`, and the traceback."""

    message: str
    traceback: str

    @property
    def exception_type(self) -> str:
        return self.message.partition(":")[0]


@dataclass(frozen=True, slots=True)
class InvocationOutcome:
    """The `$return` value, the out parameters, and the failure if the function raised."""

    return_value: TypedData | None
    outputs: Mapping[str, TypedData]
    failure: InvocationFailure | None = None


async def load_app(app: Path, *, announce: bool = True) -> Sequence[Any]:
    """Index the app in `app`: one RpcFunctionMetadata a function. Raises AppLoadError.

    `announce` says that this process of several logs which of the app's packages are not used.
    """
    search_modules_in(app)
    unused = environments.pins_without_effect()
    if unused and announce:
        _logger.warning("The app's versions of some packages are not used but the host's", packages=", ".join(unused))
    if not (app / _script_name()).exists():
        raise AppLoadError(_why_no_script(app))
    runtime = importlib.import_module(RUNTIME)
    # The library repeats on this logger what its response says.
    library_logger = logging.getLogger("azure.functions")
    library_logger.setLevel(logging.CRITICAL)
    runtime.start_threadpool_executor()
    try:
        response = await runtime.worker_init_request(_init_request(app))
    except SystemExit as error:
        raise AppLoadError(f"{app / _script_name()} ends the process when it is imported: {error!r}") from error
    if response.result.status != Message.Success:
        failure = response.result.exception
        if "durable_functions" in failure.stack_trace:
            _check_durable()
        remedy = _remedy(app, failure.message)
        frames = _own_frames(failure.stack_trace)
        raise AppLoadError(failure.message + remedy, frames and frames.rstrip() + remedy)
    if "azure.durable_functions" in sys.modules:
        _check_durable()
    if "HttpUri" in response.capabilities:
        raise AppLoadError("HTTP streaming (azurefunctions-extensions-http-fastapi) is not supported by this host")
    metadata = (await runtime.functions_metadata_request(None)).function_metadata_results
    library_logger.setLevel(logging.WARNING)
    return metadata or ()


def search_modules_in(app: Path) -> None:
    """Let this process import the app's own code."""
    environments.search_modules_in(app, _HOST_ROOT)


def _check_durable() -> None:
    """Refuse an app that has imported, or tried to import, a Durable SDK that this host does not serve."""
    try:
        environments.check_durable()
    except environments.VersionError as error:
        raise AppLoadError(str(error)) from error


def _remedy(app: Path, message: str) -> str:
    """What helps a newcomer whose app imports what is not installed."""
    requirements = app / "requirements.txt"
    if not message.startswith("ModuleNotFoundError") or not requirements.exists():
        return ""
    return f"\nInstall the app's requirements in a place of its own: {environments.install_command(app)}"


def _script_name() -> str:
    settings = importlib.import_module("azure_functions_runtime.utils.app_setting_manager")
    return str(settings.get_app_setting("PYTHON_SCRIPT_FILE_NAME", "function_app.py"))


def _why_no_script(app: Path) -> str:
    if any(app.glob("*/function.json")):
        return f"{app} is an app of the v1 model (function.json); this host runs the v2 model (function_app.py)"
    return f"{app} has no {_script_name()}: pass the folder of a Python v2-model function app with --app"


def _init_request(app: Path) -> Any:
    init = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    return SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": PROTOS}
    )


def _own_frames(stack_trace: str) -> str:
    """The traceback without the frames of the worker library; empty when the app has none in it."""
    if _WORKER_HINT in stack_trace:  # the library raises an ImportError twice, the second time with a hint
        stack_trace = stack_trace.rpartition(_CHAINED)[2].lstrip()
    kept: list[str] = []
    foreign = False
    for line in stack_trace.splitlines(keepends=True):
        if line.startswith("  File "):
            foreign = any(folder in line for folder in _WORKER_FOLDERS)
        elif not line.startswith("    "):
            foreign = False
        if not foreign:
            kept.append(line)
    return "".join(kept) if any(line.startswith("  File ") for line in kept) else ""


def run_on_loop(function_id: str) -> None:
    """Run a synchronous function on the event loop: for orchestrators, which may neither wait nor block."""
    registry = importlib.import_module("azure_functions_runtime.handle_event")._functions._functions
    info = registry[function_id]
    if info.is_async:
        return
    function = info.func

    async def on_loop(**arguments: Any) -> Any:
        return function(**arguments)

    registry[function_id] = info._replace(func=on_loop, is_async=True)


def runs_in_thread(function_id: str) -> bool:
    """Whether a function occupies a thread, which nothing can end but the process."""
    registry = importlib.import_module("azure_functions_runtime.handle_event")._functions._functions
    return not registry[function_id].is_async


class _Request:
    __slots__ = ("request",)

    def __init__(self, invocation: Invocation) -> None:
        self.request = SimpleNamespace(invocation_request=invocation)


async def invoke(invocation: Invocation) -> InvocationOutcome:
    """Run one function once; its exception is an outcome, not an exception."""
    runtime = sys.modules["azure_functions_runtime"]
    current = runtime.invocation_id_cv.set(invocation.invocation_id)
    try:
        response = await runtime.invocation_request(_Request(invocation))
    finally:
        runtime.invocation_id_cv.reset(current)
    if response.result.status != Message.Success:
        raised = response.result.exception
        return InvocationOutcome(None, {}, InvocationFailure(raised.message, raised.stack_trace))
    return InvocationOutcome(response.return_value, {out.name: out.data for out in response.output_data})


def new_invocation_id() -> str:
    return str(uuid.uuid4())
