"""Why this host does not run a binding, in one sentence that names the remedy where there is one."""

from collections.abc import Mapping
from typing import Any

SUPPORTED = (
    "supported are httpTrigger, timerTrigger, serviceBusTrigger and serviceBus output, eventHubTrigger and eventHub "
    "output, queueTrigger and queue output, blobTrigger, blob input and blob output, signalR output and "
    "signalRConnectionInfo input, orchestrationTrigger, activityTrigger, entityTrigger, durableClient and warmupTrigger"
)
_REASONS = {
    "queue": "a queue binding is an output",
    "blob": "a blob binding is an input or an output",
    "table": "tables are not emulated, with or without Azurite, so call them through the azure-data-tables SDK",
    "signalrtrigger": "it needs upstream calls of the service, so let clients call an HTTP function instead",
    "signalr": "a signalR binding is an output",
    "signalrconnectioninfo": "a signalRConnectionInfo binding is an input",
}


def refusal(function: str, binding: Mapping[str, Any]) -> str:
    """The sentence for a function's binding."""
    reason = _REASONS.get(str(binding["type"]).lower(), SUPPORTED)
    return f"Function '{function}': binding '{binding['name']}' of type '{binding['type']}' is not supported: {reason}"
