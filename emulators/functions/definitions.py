"""What the host knows of a function: its trigger, its bindings, its retries and the group that it scales with.

Scale groups are those of Flex Consumption: all HTTP functions, all Durable functions, all blob functions, every other
function alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from emulators.functions.storage_bindings import BlobInput, BlobOutput, BlobTrigger, QueueOutput, QueueTrigger

HTTP_GROUP = "http"
_DURABLE, _BLOB = "durable", "blob"


class AuthLevel(StrEnum):
    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    ADMIN = "admin"


@dataclass(frozen=True)
class HttpTrigger:
    parameter: str
    route: str
    methods: tuple[str, ...]
    auth_level: AuthLevel


@dataclass(frozen=True)
class TimerTrigger:
    parameter: str
    schedule: str
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True)
class ServiceBusTrigger:
    """`entity` is the queue, or the topic when there is a `subscription`."""

    parameter: str
    entity: str
    subscription: str | None
    connection: str
    many: bool
    sessions: bool
    binary: bool
    auto_complete: bool | None


@dataclass(frozen=True)
class EventHubTrigger:
    parameter: str
    hub: str
    consumer_group: str
    connection: str
    many: bool
    binary: bool


@dataclass(frozen=True)
class DurableTrigger:
    """`kind` is the binding type; `name` is how orchestrations call it."""

    parameter: str
    kind: str
    name: str


@dataclass(frozen=True)
class WarmupTrigger:
    """What the platform calls on an instance that scaling adds, before its first request."""

    parameter: str


type Trigger = (
    HttpTrigger
    | TimerTrigger
    | ServiceBusTrigger
    | EventHubTrigger
    | QueueTrigger
    | BlobTrigger
    | DurableTrigger
    | WarmupTrigger
)


@dataclass(frozen=True)
class ServiceBusOutput:
    """A Service Bus queue or topic that a parameter, or `$return`, is sent to."""

    parameter: str
    entity: str
    connection: str


@dataclass(frozen=True)
class EventHubOutput:
    """An event hub that a parameter, or `$return`, is sent to."""

    parameter: str
    hub: str
    connection: str


@dataclass(frozen=True)
class SignalROutput:
    """A SignalR hub that a parameter's messages and group actions, or those of `$return`, are sent to."""

    parameter: str
    hub: str
    connection: str


type Output = ServiceBusOutput | EventHubOutput | SignalROutput | QueueOutput | BlobOutput


@dataclass(frozen=True)
class SignalRConnectionInfo:
    """What `negotiate` functions return; hub, user and token may name parts of the request, as in `{headers.x}`."""

    parameter: str
    hub: str
    user_id: str
    id_token: str
    claim_types: tuple[str, ...]
    connection: str


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how far apart a failed invocation is repeated; -1 repeats without end."""

    max_retry_count: int
    minimum: timedelta
    maximum: timedelta

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait before the repetition number `attempt`, counted from 1."""
        return min(self.minimum.total_seconds() * float(1 << min(attempt - 1, 30)), self.maximum.total_seconds())


@dataclass(frozen=True)
class FunctionDefinition:
    """One function as the host sees it; `raw_bindings` are those of function.json."""

    name: str
    function_id: str
    trigger: Trigger
    client_parameters: tuple[str, ...]
    connection_infos: tuple[SignalRConnectionInfo, ...]
    blob_inputs: tuple[BlobInput, ...]
    outputs: tuple[Output, ...]
    retry: RetryPolicy | None
    disabled: bool
    raw_bindings: tuple[Mapping[str, Any], ...]

    @cached_property
    def has_expressions(self) -> bool:
        """Whether bindings may be named by values of the trigger."""
        places = [one.place for one in self.outputs if isinstance(one, QueueOutput | BlobOutput)]
        return bool(self.blob_inputs) or any("{" in place for place in places)

    @property
    def is_durable(self) -> bool:
        return isinstance(self.trigger, DurableTrigger) or bool(self.client_parameters)

    @property
    def scale_group(self) -> str:
        """The Flex Consumption group this function scales with."""
        if isinstance(self.trigger, HttpTrigger | WarmupTrigger):
            return HTTP_GROUP
        if isinstance(self.trigger, BlobTrigger):
            return _BLOB
        return _DURABLE if isinstance(self.trigger, DurableTrigger) else self.name
