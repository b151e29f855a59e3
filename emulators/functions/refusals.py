"""Why this host does not run a binding, in one sentence that names the remedy where there is one."""

from collections.abc import Mapping
from typing import Any

SUPPORTED = (
    "supported are httpTrigger, timerTrigger, serviceBusTrigger and serviceBus output, eventHubTrigger and eventHub "
    "output, signalR output and signalRConnectionInfo input, orchestrationTrigger, activityTrigger, entityTrigger, "
    "durableClient and warmupTrigger"
)
_STORAGE = "it needs the {package} SDK, which does not come with this host, so a storage endpoint does not help"
_REASONS = {
    "queuetrigger": _STORAGE.format(package="azure-storage-queue"),
    "queue": _STORAGE.format(package="azure-storage-queue"),
    "blobtrigger": _STORAGE.format(package="azure-storage-blob"),
    "blob": _STORAGE.format(package="azure-storage-blob"),
    "table": _STORAGE.format(package="azure-data-tables"),
    "signalrtrigger": "it needs upstream calls of the service, so let clients call an HTTP function instead",
    "signalr": "a signalR binding is an output",
    "signalrconnectioninfo": "a signalRConnectionInfo binding is an input",
}


def refusal(function: str, binding: Mapping[str, Any]) -> str:
    """The sentence for a function's binding."""
    reason = _REASONS.get(str(binding["type"]).lower(), SUPPORTED)
    return f"Function '{function}': binding '{binding['name']}' of type '{binding['type']}' is not supported: {reason}"
