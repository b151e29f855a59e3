"""The blob storage trigger, by scanning containers as the real host does for accounts without logs.

One process of a host scans. What it finds new it puts on the host's own queue, once for each version of a blob: a
receipt below `azure-webjobs-hosts/blobreceipts` remembers that. The queue gives attempts and poison messages
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-blob-trigger#polling-and-latency).
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue import QueueMessage

from emulators.functions.binding_data import PathPattern
from emulators.functions.definitions import FunctionDefinition
from emulators.functions.execution import Executor, trace_context
from emulators.functions.logging import get_logger
from emulators.functions.settings import HOST_STORAGE, SettingsError
from emulators.functions.storage.blob_metadata import trigger_metadata
from emulators.functions.storage.blobs import blob_input, create_container, download, upload
from emulators.functions.storage.clients import StorageClients, has_code, is_outage
from emulators.functions.storage.leases import Lease
from emulators.functions.storage.queue_messages import encoded
from emulators.functions.storage.queues import QueueListener, QueueOptions, send
from emulators.functions.storage_bindings import BlobTrigger
from emulators.processes.background import Background

HOSTS_CONTAINER = "azure-webjobs-hosts"
_POISON_QUEUE = "webjobs-blobtrigger-poison"
_SCAN_PAUSE_S = 2.0
_RECEIPT_LEASE_S = 30
_SCAN_LEASE_S = 15
_INCOMPLETE = "Incomplete"
_CLOCK_MARGIN = timedelta(seconds=2)
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_logger = get_logger("host.blobs")


@dataclass(frozen=True)
class BlobOptions:
    """host.json's `extensions.blobs` with the documented defaults."""

    max_degree_of_parallelism: int
    poison_blob_threshold: int = 5

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "BlobOptions":
        """Read the section. Raises SettingsError."""
        parallel = _count(section, "maxDegreeOfParallelism", 8 * (os.cpu_count() or 1))
        return cls(parallel, _count(section, "poisonBlobThreshold", cls.poison_blob_threshold))

    @property
    def queue_options(self) -> QueueOptions:
        """Those of the host's own queue: batch and threshold make up the parallelism."""
        batch = min(32, (self.max_degree_of_parallelism + 1) // 2)
        return QueueOptions(
            batch_size=batch,
            new_batch_threshold=self.max_degree_of_parallelism - batch,
            max_dequeue_count=self.poison_blob_threshold,
        )


def _count(section: Mapping[str, Any], name: str, default: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingsError(f"host.json: extensions.blobs.{name} must be a whole number from 1")
    return value


@dataclass(frozen=True)
class _Registration:
    """A blob-triggered function, under the id that receipts and messages have."""

    function: FunctionDefinition
    trigger: BlobTrigger
    pattern: PathPattern

    @property
    def function_id(self) -> str:
        return f"Host.Functions.{self.function.name}"


@dataclass
class _Sweep:
    """What is known of one container: blobs older than `since` have been seen, those in `seen` too."""

    container: ContainerClient
    registrations: list[_Registration]
    since: datetime = _BEGINNING
    seen: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    loaded: bool = False


class BlobListener:
    """All blob-triggered functions of this process."""

    def __init__(
        self,
        functions: Sequence[FunctionDefinition],
        clients: StorageClients,
        options: BlobOptions,
        executor: Executor,
        *,
        host_id: str,
        lease_id: str,
    ) -> None:
        self._clients = clients
        self._executor = executor
        self._host_id = host_id
        self._hosts = clients.blobs(HOST_STORAGE).get_container_client(HOSTS_CONTAINER)
        queues = clients.queues(HOST_STORAGE)
        self._queue = queues.get_queue_client(f"azure-webjobs-blobtrigger-{host_id}")
        self._messages = QueueListener(
            "blob triggers", self._queue, queues.get_queue_client(_POISON_QUEUE), options.queue_options, self._handle
        )
        self._lease = Lease(self._hosts, f"locks/{host_id}/WebJobs.Internal.Blobs.Listener", _SCAN_LEASE_S, lease_id)
        self._registrations: dict[str, _Registration] = {}
        self._sweeps: dict[tuple[str, str], _Sweep] = {}
        for function in functions:
            self._register(function)
        self._stopping = asyncio.Event()
        self._scanning: asyncio.Task[None] | None = None
        self._away = False

    def _register(self, function: FunctionDefinition) -> None:
        assert isinstance(function.trigger, BlobTrigger)
        registration = _Registration(function, function.trigger, PathPattern(function.trigger.path))
        self._registrations[registration.function_id] = registration
        place = (function.trigger.connection, function.trigger.container)
        if place not in self._sweeps:
            container = self._clients.blobs(place[0]).get_container_client(place[1])
            self._sweeps[place] = _Sweep(container, [])
        self._sweeps[place].registrations.append(registration)

    def start(self, background: Background) -> None:
        """Begin to scan; outages are waited out."""
        self._messages.start(background)
        self._scanning = background.start(self._scan_until_stopped(), "scan for blobs")

    def stop(self) -> None:
        """Scan no more; functions that run are finished."""
        self._stopping.set()
        self._messages.stop()

    async def wait_closed(self, timeout_s: float) -> None:
        """Wait for what runs, within the bound."""
        self.stop()
        if self._scanning is not None:
            _, late = await asyncio.wait({self._scanning}, timeout=timeout_s)
            for task in late:
                task.cancel()
        await self._messages.wait_closed(timeout_s)
        with contextlib.suppress(AzureError):  # an unreleased lease ends by itself
            await self._lease.release()

    async def _scan_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                if await self._lease.held():
                    for sweep in self._sweeps.values():
                        await self._scan(sweep)
                self._away = False
            except Exception as error:  # noqa: BLE001 - a trigger outlives whatever the SDK raises
                if not self._away:
                    _logger.warning("Blob storage is away; its triggers wait for it", error=str(error))
                self._away = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SCAN_PAUSE_S):
                    await self._stopping.wait()

    async def _scan(self, sweep: _Sweep) -> None:
        """One look at every blob of a container. Raises AzureError."""
        if not sweep.loaded:
            sweep.since = await self._load_since(sweep)
            sweep.loaded = True
        began = time.monotonic()
        newest, refused = sweep.since, False
        try:
            async for blob in sweep.container.list_blobs(retry_total=0):
                if self._stopping.is_set():
                    return
                if blob.last_modified >= sweep.since:
                    refused = not await self._offer_to_all(sweep, blob) or refused
                    newest = max(newest, blob.last_modified)
        except ResourceNotFoundError:
            return  # the container comes with its first blob
        if not refused and newest > sweep.since:
            # A blob may have been written behind the listing's back, a second old already.
            await self._remember(sweep, newest - timedelta(seconds=time.monotonic() - began) - _CLOCK_MARGIN)

    async def _offer_to_all(self, sweep: _Sweep, blob: BlobProperties) -> bool:
        done = True
        for registration in sweep.registrations:
            key = (registration.function_id, blob.name, blob.etag)
            if key in sweep.seen or registration.pattern.match(blob.name) is None:
                continue
            if await self._offered(registration, sweep.container.container_name, blob):
                sweep.seen[key] = blob.last_modified
            else:
                done = False
        return done

    async def _offered(self, registration: _Registration, container: str, blob: BlobProperties) -> bool:
        """`_offer`, passing over a blob for which no receipt can be kept. Raises AzureError when storage is away."""
        try:
            return await self._offer(registration, container, blob)
        except AzureError as error:
            if is_outage(error):
                raise
            _logger.warning(
                "A blob is passed over", function=registration.function.name, blob=blob.name, error=error.message
            )
            return True

    async def _remember(self, sweep: _Sweep, since: datetime) -> None:
        if since <= sweep.since:
            return
        sweep.since = since
        sweep.seen = {key: modified for key, modified in sweep.seen.items() if modified >= since}
        await upload(self._hosts, self._since_name(sweep), orjson.dumps({"LatestScan": since.isoformat()}))

    async def _load_since(self, sweep: _Sweep) -> datetime:
        content = await download(self._hosts.get_blob_client(self._since_name(sweep)))
        try:
            return _BEGINNING if content is None else datetime.fromisoformat(orjson.loads(content)["LatestScan"])
        except (ValueError, KeyError, TypeError):
            return _BEGINNING  # receipts keep what was done from being done again

    def _since_name(self, sweep: _Sweep) -> str:
        container = sweep.container
        return f"blobscaninfo/{self._host_id}/{container.account_name}/{container.container_name}/scanInfo"

    async def _offer(self, registration: _Registration, container: str, blob: BlobProperties) -> bool:
        """Enqueue this version of the blob once; False when another process is about to. Raises AzureError."""
        etag = f'"{blob.etag.strip(chr(34))}"'
        name = f"blobreceipts/{self._host_id}/{registration.function_id}/{etag}/{container}/{blob.name}"
        receipt = self._hosts.get_blob_client(name)
        state = await _receipt_state(receipt)
        if state == "complete":
            return True
        if state == "none" and not await self._create_receipt(receipt):
            return False
        try:
            lease = await receipt.acquire_lease(_RECEIPT_LEASE_S)
        except AzureError as error:
            if has_code(error, "LeaseAlreadyPresent"):
                return False
            raise
        try:
            if await _receipt_state(receipt) == "incomplete":
                await self._enqueue(registration, container, blob, etag)
                await receipt.set_blob_metadata({}, lease=lease)
        finally:
            await lease.release()
        return True

    async def _create_receipt(self, receipt: BlobClient) -> bool:
        for attempt in range(2):
            try:
                await receipt.upload_blob(b"", metadata={_INCOMPLETE: _INCOMPLETE}, overwrite=False)
            except ResourceNotFoundError:
                if attempt:
                    raise
                await create_container(self._hosts)
            except AzureError as error:
                if not has_code(error, "BlobAlreadyExists", "LeaseIdMissing"):
                    raise
                return False
            else:
                return True
        return False

    async def _enqueue(self, registration: _Registration, container: str, blob: BlobProperties, etag: str) -> None:
        document = {
            "Type": "BlobTrigger",
            "FunctionId": registration.function_id,
            "BlobType": str(getattr(blob.blob_type, "value", blob.blob_type)),
            "ContainerName": container,
            "BlobName": blob.name,
            "ETag": etag,
        }
        await send(self._queue, encoded(orjson.dumps(document), base64_encoded=True))
        self._messages.wake()

    async def _handle(self, message: QueueMessage, body: bytes) -> bool:
        """Run the function on the version of the blob that the message means; a later one has its own message."""
        try:
            document = orjson.loads(body)
            registration = self._registrations[document["FunctionId"]]
            container, name, etag = (str(document[part]) for part in ("ContainerName", "BlobName", "ETag"))
        except (ValueError, KeyError, TypeError) as error:
            _logger.warning("A blob trigger's message is of no function", message_id=message.id, error=repr(error))
            return True
        blob = self._clients.blobs(registration.trigger.connection).get_blob_client(container, name)
        try:
            properties = await blob.get_blob_properties()
            content = await download(blob, etag)
        except ResourceNotFoundError:
            return True
        except AzureError as error:
            _logger.warning("A blob cannot be read; it is tried again", blob=name, error=error.message)
            return False
        if content is None:
            return True
        metadata = trigger_metadata(blob, properties, registration.pattern.match(name) or {})
        given = blob_input(content, text=registration.trigger.text)
        outcome = await self._executor.run(registration.function, given, trace_context(), metadata)
        return outcome.failure is None


async def _receipt_state(receipt: BlobClient) -> str:
    """`none`, `incomplete` or `complete`. Raises AzureError."""
    try:
        properties = await receipt.get_blob_properties()
    except ResourceNotFoundError:
        return "none"
    return "incomplete" if _INCOMPLETE.lower() in {name.lower() for name in properties.metadata} else "complete"
