"""The storage parts of one process: clients, triggers, inputs, outputs and the timers' ledger."""

import uuid
from collections.abc import Mapping, Sequence

from emulators.functions.definitions import FunctionDefinition
from emulators.functions.execution import Executor, Listener
from emulators.functions.settings import HOST_STORAGE, HostJson
from emulators.functions.storage.blob_trigger import HOSTS_CONTAINER, BlobListener, BlobOptions
from emulators.functions.storage.blobs import BlobInputs, BlobOutputs
from emulators.functions.storage.clients import StorageClients, why_silent
from emulators.functions.storage.queues import QueueOptions, QueueOutputs, queue_listener
from emulators.functions.storage.timers import BlobTimerLedger
from emulators.functions.storage_bindings import BlobInput, BlobOutput, BlobTrigger, QueueOutput, QueueTrigger
from emulators.functions.worker import ParameterBinding, TypedData

__all__ = ["StorageHost", "check_options", "why_silent"]


def check_options(host_json: HostJson) -> None:
    """Raises SettingsError."""
    QueueOptions.of(host_json.section("extensions", "queues"))
    BlobOptions.of(host_json.section("extensions", "blobs"))


class StorageHost:
    """What one process does with storage; `run_id` names this start of the host in its leases."""

    def __init__(self, settings: Mapping[str, str], host_json: HostJson, host_id: str, run_id: str) -> None:
        self._clients = StorageClients(settings)
        self._host_id = host_id
        self._lease_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_id} {host_id}"))
        self._queue_options = QueueOptions.of(host_json.section("extensions", "queues"))
        self._blob_options = BlobOptions.of(host_json.section("extensions", "blobs"))
        self._inputs = BlobInputs(self._clients)
        self._blob_outputs = BlobOutputs(self._clients)
        self._queue_outputs = QueueOutputs(self._clients, base64_encoded=self._queue_options.base64_encoded)

    def listeners(self, functions: Sequence[FunctionDefinition], executor: Executor) -> list[Listener]:
        """Those of the queue- and blob-triggered functions."""
        queues = [one for one in functions if isinstance(one.trigger, QueueTrigger)]
        blobs = [one for one in functions if isinstance(one.trigger, BlobTrigger)]
        found: list[Listener] = [queue_listener(one, self._clients, self._queue_options, executor) for one in queues]
        if blobs:
            found.append(
                BlobListener(
                    blobs,
                    self._clients,
                    self._blob_options,
                    executor,
                    host_id=self._host_id,
                    lease_id=self._lease_id,
                )
            )
        return found

    def timer_ledger(self, lock_period_s: int) -> BlobTimerLedger:
        """Raises SettingsError."""
        container = self._clients.blobs(HOST_STORAGE).get_container_client(HOSTS_CONTAINER)
        return BlobTimerLedger(container, self._host_id, lock_period_s, self._lease_id)

    async def read(self, binding: BlobInput) -> ParameterBinding:
        """The value of an input binding. Raises BindingError."""
        return await self._inputs.read(binding)

    async def send(self, output: QueueOutput | BlobOutput, value: TypedData) -> None:
        """Send or write what an output binding was given. Raises the SDK's error when it did not arrive."""
        if isinstance(output, QueueOutput):
            await self._queue_outputs.send(output, value)
        else:
            await self._blob_outputs.send(output, value)

    async def close(self) -> None:
        await self._clients.close()
