"""Timers' ownership and status in the host's storage account, at the names that the real host uses.

`azure-webjobs-hosts/timers/HOST/Host.Functions.NAME/status` is a JSON object of Last, Next and LastUpdated; whose lease
`azure-webjobs-hosts/locks/HOST/Host.Functions.NAME.Listener` is fires the timer
(StorageScheduleMonitor of azure-webjobs-sdk-extensions, SingletonListener of azure-webjobs-sdk).
"""

from datetime import UTC, datetime

import orjson
from azure.core.exceptions import AzureError
from azure.storage.blob.aio import ContainerClient

from emulators.functions.logging import get_logger
from emulators.functions.storage.blobs import download, upload
from emulators.functions.storage.leases import Lease
from emulators.functions.timers import TimerStatus

_NEVER = datetime.min.replace(tzinfo=UTC)
_logger = get_logger("host.timers")


class BlobTimerLedger:
    """Ownership and status of one process's timers."""

    place = "Storage"
    outages = (AzureError,)

    def __init__(self, container: ContainerClient, host_id: str, lock_period_s: int, lease_id: str) -> None:
        self._container = container
        self._host_id = host_id
        self._lock_period_s = lock_period_s
        self._lease_id = lease_id
        self._leases: dict[str, Lease] = {}

    async def owns(self, function: str) -> bool:
        """Whether this process fires `function` now. Raises AzureError."""
        if function not in self._leases:
            name = f"locks/{self._host_id}/Host.Functions.{function}.Listener"
            self._leases[function] = Lease(self._container, name, self._lock_period_s, self._lease_id)
        return await self._leases[function].held()

    async def read(self, function: str) -> TimerStatus | None:
        """The remembered status. Raises AzureError."""
        content = await download(self._container.get_blob_client(self._status_name(function)))
        try:
            return None if content is None else _status(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _logger.warning("A timer's status cannot be read; it starts anew", function=function, error=repr(error))
            return None

    async def write(self, function: str, status: TimerStatus) -> None:
        """Remember a status. Raises AzureError."""
        document = {
            "Last": (status.last_run or _NEVER).isoformat(),
            "Next": status.next_run.isoformat(),
            "LastUpdated": status.updated_at.isoformat(),
        }
        await upload(self._container, self._status_name(function), orjson.dumps(document))

    async def close(self) -> None:
        for lease in self._leases.values():
            await lease.release()

    def _status_name(self, function: str) -> str:
        return f"timers/{self._host_id}/Host.Functions.{function}/status"


def _status(content: bytes) -> TimerStatus:
    """The schedule is not kept: a reader compares what follows from the times."""
    document = orjson.loads(content)
    last, following, updated = (_time(document[name]) for name in ("Last", "Next", "LastUpdated"))
    return TimerStatus(None, None if last.year == 1 else last, following, updated)


def _time(text: str) -> datetime:
    """.NET writes its local time with the offset, and the earliest time without."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None or moment.year == 1 else moment.astimezone(UTC)
