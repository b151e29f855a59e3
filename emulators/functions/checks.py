"""Finds at the start what would fail later: routes, schedules, connections, options of an app's functions."""

import os
from collections.abc import Sequence

from emulators.functions.definitions import (
    EventHubTrigger,
    FunctionDefinition,
    HttpTrigger,
    ServiceBusTrigger,
    TimerTrigger,
)
from emulators.functions.indexing import IndexingError
from emulators.functions.outputs import check_output, event_hubs
from emulators.functions.routing import RouteError, compile_template
from emulators.functions.schedules import ScheduleError, parse_schedule
from emulators.functions.service_bus import ServiceBusOptions, connection_string
from emulators.functions.settings import HostJson, SettingsError
from emulators.functions.signalr import SignalRService
from emulators.functions.storage.readiness import check_storage, lock_period_s


def check(functions: Sequence[FunctionDefinition], host_json: HostJson) -> None:
    """Raises IndexingError, which names the function."""
    for function in functions:
        if function.disabled:
            continue
        try:
            _check_function(function, host_json)
        except (RouteError, ScheduleError, SettingsError) as error:
            raise IndexingError(f"Function '{function.name}': {error}") from error


def _check_function(function: FunctionDefinition, host_json: HostJson) -> None:
    match function.trigger:
        case HttpTrigger(route=route):
            compile_template(f"{host_json.route_prefix}/{route.lstrip('/')}")
        case TimerTrigger(schedule=schedule):
            parse_schedule(schedule)
            lock_period_s(host_json)
        case ServiceBusTrigger(connection=connection):
            connection_string(connection, os.environ)
            ServiceBusOptions.of(host_json.section("extensions", "serviceBus"))
        case EventHubTrigger(connection=connection):
            event_hubs().event_hub_connection(connection, os.environ)
            event_hubs().EventHubOptions.of(host_json.section("extensions", "eventHubs"))
        case _:
            pass
    check_storage(function, os.environ, host_json)
    for output in function.outputs:
        check_output(output, os.environ)
    for info in function.connection_infos:
        SignalRService.named(info.connection, os.environ)
