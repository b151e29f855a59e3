"""Where output bindings' values go: one sender a kind of binding, chosen by the output's type."""

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Protocol

from emulators.functions.definitions import EventHubOutput, Output, ServiceBusOutput, SignalROutput
from emulators.functions.environments import check_version
from emulators.functions.service_bus import ServiceBusOutputs, connection_string
from emulators.functions.settings import SettingsError
from emulators.functions.signalr import SignalROutputs, SignalRService
from emulators.functions.storage_bindings import BlobOutput, QueueOutput
from emulators.functions.worker import TypedData


class _EventHubSender(Protocol):
    async def send(self, output: EventHubOutput, value: TypedData) -> None: ...

    async def close(self) -> None: ...


class _StorageSender(Protocol):
    async def send(self, output: QueueOutput | BlobOutput, value: TypedData) -> None: ...


class Outputs:
    """The senders of one process."""

    def __init__(self, settings: Mapping[str, str], storage: _StorageSender | None = None) -> None:
        self._settings = settings
        self._storage = storage
        self._service_bus = ServiceBusOutputs(settings)
        self._event_hubs: _EventHubSender | None = None
        self._signalr = SignalROutputs(settings)

    async def send(self, output: Output, value: TypedData) -> None:
        """Send one value. Raises the SDK's error when it did not arrive."""
        match output:
            case ServiceBusOutput():
                await self._service_bus.send(output, value)
            case EventHubOutput():
                self._event_hubs = self._event_hubs or event_hubs().EventHubOutputs(self._settings)
                await self._event_hubs.send(output, value)
            case SignalROutput():
                await self._signalr.send(output, value)
            case QueueOutput() | BlobOutput():
                assert self._storage is not None, "a process with storage outputs has a sender"
                await self._storage.send(output, value)

    async def close(self) -> None:
        await self._service_bus.close()
        if self._event_hubs is not None:
            await self._event_hubs.close()
        await self._signalr.close()


def check_output(output: Output, settings: Mapping[str, str]) -> None:
    """Find what would fail at the first send, now. Raises SettingsError."""
    match output:
        case ServiceBusOutput():
            connection_string(output.connection, settings)
        case EventHubOutput():
            event_hubs().event_hub_connection(output.connection, settings)
        case SignalROutput():
            SignalRService.named(output.connection, settings)


def event_hubs() -> ModuleType:
    """This host's Event Hubs part, whose SDK only apps that use it need. Raises SettingsError."""
    check_version("azure-eventhub")
    try:
        return importlib.import_module("emulators.functions.event_hubs")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("azure"):
            raise
        raise SettingsError(
            "Event Hubs bindings need the azure-eventhub SDK in the host's environment: "
            f"{sys.executable} -m pip install azure-eventhub"
        ) from error
