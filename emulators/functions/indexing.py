"""From the worker's metadata to typed functions, and the refusal of what this host cannot run.

A function is refused by name and binding before anything starts.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from emulators.functions.definitions import (
    HTTP_GROUP,
    AuthLevel,
    DurableTrigger,
    EventHubOutput,
    EventHubTrigger,
    FunctionDefinition,
    HttpTrigger,
    Output,
    RetryPolicy,
    ServiceBusOutput,
    ServiceBusTrigger,
    SignalRConnectionInfo,
    SignalROutput,
    TimerTrigger,
    Trigger,
    WarmupTrigger,
)
from emulators.functions.refusals import refusal
from emulators.functions.settings import SettingsError, resolve
from emulators.functions.storage_bindings import (
    blob_input,
    blob_output,
    queue_output,
    storage_trigger,
)

_REST = "rest"
_DURABLE_TRIGGERS = ("orchestrationTrigger", "activityTrigger", "entityTrigger")
_NAME = re.compile(r"(?!host\Z)[a-z][a-z0-9_-]{0,127}\Z", re.IGNORECASE | re.ASCII)  # Utility.IsValidFunctionName
_TRUE = frozenset({"1", "true"})


class IndexingError(Exception):
    """A function cannot run on this host; the message names the function and the binding."""


def index(metadata: Sequence[Any], settings: Mapping[str, str]) -> tuple[FunctionDefinition, ...]:
    """Typed functions of an app. Raises IndexingError."""
    functions = tuple(_definition(item, settings) for item in metadata)
    names: set[str] = set()
    for function in functions:
        if not _NAME.match(function.name):
            raise IndexingError(f"'{function.name}' is not a valid function name.")
        if function.name.lower() in names:
            raise IndexingError(
                f"Function {function.name} does not have a unique function name. "
                "Please change @app.function_name() or the function method name to be unique."
            )
        names.add(function.name.lower())
    return functions


def process_groups(functions: Sequence[FunctionDefinition], mode: str) -> dict[str, tuple[FunctionDefinition, ...]]:
    """The enabled functions of each process; `http` exists always, for the admin API lives there."""
    groups: dict[str, list[FunctionDefinition]] = {HTTP_GROUP: []}
    for function in functions:
        if not function.disabled:
            scale_group = function.scale_group
            groups.setdefault(scale_group if mode == "flex" or scale_group == HTTP_GROUP else _REST, []).append(
                function
            )
    return {name: tuple(members) for name, members in groups.items()}


def _definition(item: Any, settings: Mapping[str, str]) -> FunctionDefinition:
    bindings = tuple(json.loads(raw) for raw in item.raw_bindings)
    triggers = [binding for binding in bindings if binding["type"].lower().endswith("trigger")]
    if len(triggers) != 1:
        raise IndexingError(f"Function '{item.name}' must have exactly one trigger; it has {len(triggers)}")
    others = [binding for binding in bindings if binding is not triggers[0]]
    try:
        return FunctionDefinition(
            name=item.name,
            function_id=item.function_id,
            trigger=_trigger(item.name, triggers[0], settings),
            client_parameters=tuple(one["name"] for one in others if one["type"] == "durableClient"),
            connection_infos=tuple(
                _connection_info(item.name, one, settings) for one in others if one["type"] == "signalRConnectionInfo"
            ),
            blob_inputs=tuple(blob_input(one, settings) for one in others if _is_blob_input(one)),
            outputs=tuple(_output(item.name, one, settings) for one in others if _is_output(item.name, one)),
            retry=_retry(item.retry_options),
            disabled=_is_disabled(item.name, settings),
            raw_bindings=bindings,
        )
    except SettingsError as error:
        raise IndexingError(f"Function '{item.name}': {error}") from error


def _trigger(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> Trigger:
    match binding["type"]:
        case "httpTrigger":
            return _http_trigger(function, binding)
        case "timerTrigger":
            return _timer_trigger(binding, settings)
        case "serviceBusTrigger" | "eventHubTrigger" | "queueTrigger" | "blobTrigger":
            return _data_trigger(function, binding, settings)
        case "warmupTrigger":
            return WarmupTrigger(binding["name"])
        case kind if kind in _DURABLE_TRIGGERS:
            own_name = binding.get("orchestration") or binding.get("activity") or binding.get("entityName")
            return DurableTrigger(binding["name"], kind, own_name or function)
        case _:
            raise _unsupported(function, binding)


def _data_trigger(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> Trigger:
    match binding["type"]:
        case "serviceBusTrigger":
            return _service_bus_trigger(function, binding, settings)
        case "eventHubTrigger":
            return _event_hub_trigger(binding, settings)
        case _:
            return storage_trigger(binding, settings)


def _http_trigger(function: str, binding: Mapping[str, Any]) -> HttpTrigger:
    route = str(binding.get("route") or function)  # an empty one too, as WebScriptHostHttpRoutesManager has it
    return HttpTrigger(
        parameter=binding["name"],
        route=route,
        methods=tuple(str(method).upper() for method in binding.get("methods") or ()),
        auth_level=AuthLevel(str(binding.get("authLevel") or "function").lower()),
    )


def _timer_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> TimerTrigger:
    return TimerTrigger(
        parameter=binding["name"],
        schedule=resolve(str(binding["schedule"]), settings),
        run_on_startup=bool(binding.get("runOnStartup", False)),
        use_monitor=bool(binding.get("useMonitor", True)),
    )


def _service_bus_trigger(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> ServiceBusTrigger:
    entity = binding.get("queueName") or binding.get("topicName")
    subscription = binding.get("subscriptionName")
    if not entity or ("queueName" not in binding and not subscription):
        raise IndexingError(f"Function '{function}': a serviceBusTrigger names a queue, or a topic and a subscription")
    return ServiceBusTrigger(
        parameter=binding["name"],
        entity=resolve(str(entity), settings),
        subscription=None if "queueName" in binding else resolve(str(subscription), settings),
        connection=_connection(binding, settings),
        many=_is_many(binding),
        sessions=bool(binding.get("isSessionsEnabled", False)),
        binary=_is_binary(binding),
        auto_complete=binding.get("autoComplete", binding.get("autoCompleteMessages")),
    )


def _event_hub_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> EventHubTrigger:
    return EventHubTrigger(
        parameter=binding["name"],
        hub=resolve(str(binding["eventHubName"]), settings),
        consumer_group=resolve(str(binding.get("consumerGroup") or "$Default"), settings),
        connection=resolve(str(binding["connection"]), settings),
        many=_is_many(binding),
        binary=_is_binary(binding),
    )


def _is_many(binding: Mapping[str, Any]) -> bool:
    return str(binding.get("cardinality", "one")).lower() == "many"


def _is_binary(binding: Mapping[str, Any]) -> bool:
    return str(binding.get("dataType", "")).lower() == "binary"


def _connection(binding: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    return resolve(str(binding.get("connection") or "ServiceBus"), settings)


def _is_output(function: str, binding: Mapping[str, Any]) -> bool:
    """Whether the host sends the binding's value; what needs nothing of the host passes, the rest is refused."""
    if binding["type"] in ("serviceBus", "eventHub", "signalR", "queue", "blob"):
        return not _is_blob_input(binding)
    if binding["type"] not in ("durableClient", "http", "signalRConnectionInfo"):
        raise _unsupported(function, binding)
    return False


def _is_blob_input(binding: Mapping[str, Any]) -> bool:
    return binding["type"] == "blob" and str(binding.get("direction", "")).upper() == "IN"


def _output(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> Output:
    if str(binding.get("direction", "")).upper() != "OUT":
        raise _unsupported(function, binding)
    match binding["type"]:
        case "eventHub":
            connection = resolve(str(binding["connection"]), settings)
            return EventHubOutput(binding["name"], resolve(str(binding["eventHubName"]), settings), connection)
        case "queue":
            return queue_output(binding, settings)
        case "blob":
            return blob_output(binding, settings)
        case "signalR":
            hub = resolve(str(binding.get("hubName") or ""), settings)
            return SignalROutput(binding["name"], _given_hub(function, hub), _signalr_connection(binding, settings))
        case _:
            return _service_bus_output(function, binding, settings)


def _service_bus_output(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> ServiceBusOutput:
    entity = binding.get("queueName") or binding.get("topicName")
    if not entity:
        raise IndexingError(f"Function '{function}': binding '{binding['name']}' names neither a queue nor a topic")
    return ServiceBusOutput(binding["name"], resolve(str(entity), settings), _connection(binding, settings))


def _connection_info(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> SignalRConnectionInfo:
    if str(binding.get("direction", "")).upper() != "IN":
        raise _unsupported(function, binding)
    claim_types = binding.get("claimTypeList") or ()
    return SignalRConnectionInfo(
        parameter=binding["name"],
        hub=_given_hub(function, resolve(str(binding.get("hubName") or ""), settings)),
        user_id=resolve(str(binding.get("userId") or ""), settings),
        id_token=resolve(str(binding.get("idToken") or ""), settings),
        claim_types=tuple(str(name) for name in claim_types),
        connection=_signalr_connection(binding, settings),
    )


def _given_hub(function: str, hub: str) -> str:
    if not hub:
        raise IndexingError(f"Function '{function}': a SignalR binding must name its hub in hubName")
    return hub


def _signalr_connection(binding: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    return resolve(str(binding.get("connectionStringSetting") or "AzureSignalRConnectionString"), settings)


def _unsupported(function: str, binding: Mapping[str, Any]) -> IndexingError:
    return IndexingError(refusal(function, binding))


def _retry(options: Any) -> RetryPolicy | None:
    if options is None:
        return None
    fixed = getattr(options, "delay_interval", None)
    minimum = fixed if fixed is not None else options.minimum_interval
    maximum = fixed if fixed is not None else options.maximum_interval
    return RetryPolicy(options.max_retry_count, minimum, maximum)


def _is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """The setting's dots become underscores where environment names allow no dots."""
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(settings.get(name, "").lower() in _TRUE for name in names)
