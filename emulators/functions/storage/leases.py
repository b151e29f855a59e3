"""Locks among processes: leases on empty blobs, as the WebJobs SDK's singletons are.

A lease that its process does not renew ends by itself. It is asked for under an id of this host, so that a group
process that is started again has its predecessor's leases at once.
"""

import asyncio
import time

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobLeaseClient, ContainerClient

from emulators.functions.storage.blobs import create_container
from emulators.functions.storage.clients import has_code, is_outage

_RETRY_S = 1.0


class Lease:
    """One lock; `period_s` is 15 to 60 seconds."""

    def __init__(self, container: ContainerClient, name: str, period_s: int, lease_id: str) -> None:
        self._container = container
        self._blob = container.get_blob_client(name)
        self._lease = BlobLeaseClient(self._blob, lease_id)
        self._period_s = period_s
        self._valid_until = 0.0
        self._renewing: asyncio.Task[None] | None = None

    async def held(self) -> bool:
        """Whether this process has the lock, which it takes if it is free. Raises AzureError."""
        if time.monotonic() < self._valid_until:
            return True
        try:
            await self._acquire()
        except AzureError as error:
            if not has_code(error, "LeaseAlreadyPresent"):
                raise
            return False
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_until_lost())
        return True

    async def release(self) -> None:
        """Let another process have it now. Raises AzureError."""
        if self._renewing is not None:
            self._renewing.cancel()
        if time.monotonic() < self._valid_until:
            self._valid_until = 0.0
            try:
                await self._lease.release(retry_total=0)
            except AzureError as error:
                if is_outage(error):  # otherwise it was lost already
                    raise

    async def _acquire(self) -> None:
        began = time.monotonic()
        try:
            await self._lease.acquire(self._period_s, retry_total=0)
        except ResourceNotFoundError:
            await self._create()
            await self._lease.acquire(self._period_s, retry_total=0)
        self._valid_until = began + self._period_s

    async def _create(self) -> None:
        await create_container(self._container)
        try:
            await self._blob.upload_blob(b"", overwrite=False, retry_total=0)
        except AzureError as error:
            if not has_code(error, "BlobAlreadyExists", "LeaseIdMissing"):
                raise

    async def _renew_until_lost(self) -> None:
        pause_s = self._period_s / 2
        while time.monotonic() < self._valid_until:
            await asyncio.sleep(pause_s)
            began = time.monotonic()
            try:
                await self._lease.renew(retry_total=0)
            except AzureError as error:
                if not is_outage(error):
                    self._valid_until = 0.0
                pause_s = _RETRY_S
            else:
                self._valid_until = began + self._period_s
                pause_s = self._period_s / 2
