"""What the engine needs from a Functions host, and what it gives back.

The engine never loads or calls a function itself: the host hands it an `Invoker`. The host never
reads the task hub: it mounts `TaskHub.routes` and puts `TaskHub.client_binding` into client functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import BaseRoute


class FunctionFailed(Exception):  # noqa: N818 - the word that Durable Functions uses
    """The user's function raised; `str()` is the text that the worker reports for it."""

    def __init__(self, message: str, exception_type: str = "Exception") -> None:
        super().__init__(message)
        self.exception_type = exception_type


class Invoker(Protocol):
    """Runs the user's durable functions; payloads and results are JSON texts."""

    orchestrators: frozenset[str]
    activities: frozenset[str]
    entities: frozenset[str]

    async def orchestrate(self, name: str, payload: str) -> str:
        """One orchestration turn: the trigger's JSON in, the SDK's JSON out. Raises FunctionFailed."""

    async def run_activity(self, name: str, payload: str, instance_id: str) -> str:
        """One activity call: the input's JSON in, the result's JSON out. Raises FunctionFailed."""

    async def run_entity(self, name: str, payload: str) -> str:
        """One entity batch: the trigger's JSON in, the SDK's JSON out. Raises FunctionFailed."""


@dataclass(frozen=True)
class WebhookAddresses:
    """Where the host serves the hub's routes: publicly (with the system key) and for the SDK's local RPC."""

    public_url: str
    system_key: str
    rpc_url: str


class TaskHub(Protocol):
    """One task hub of one host process, as the host sees it."""

    def routes(self) -> Sequence[BaseRoute]:
        """The management API, relative to its mount point; the host guards the public mount."""

    def page_routes(self) -> Sequence[BaseRoute]:
        """A read-only page for developers, relative to its mount point; the host guards it like the webhook."""

    def client_binding(self, addresses: WebhookAddresses) -> str:
        """JSON text of a durableClient binding."""

    async def start_worker(self, invoker: Invoker) -> None:
        """Begin to take turns and activities of the invoker's functions."""

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, let what runs finish or lose its lease, close the connections."""
