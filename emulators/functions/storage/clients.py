"""Clients of queue and blob storage on the azure-storage SDKs, with bounded waits, and the probe of an endpoint."""

import asyncio
import logging
import time
from collections.abc import Mapping

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import BlobServiceClient, LinearRetry
from azure.storage.queue.aio import QueueServiceClient

from emulators.functions.storage.accounts import StorageAccount, storage_account

# Known to every Azurite of the last years, and to Azure; newer SDKs would ask for newer ones.
_API_VERSION = "2021-12-02"
_CONNECT_S, _READ_S = 5, 30
_PAUSE_S, _ATTEMPTS = 1, 4
_PROBE_PAUSE_S = 0.25

logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)


def is_outage(error: AzureError) -> bool:
    """Whether the service was away or broken, rather than refusing the request."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return status is None or status >= 500


def has_code(error: AzureError, *codes: str) -> bool:
    """Whether the service answered with one of these error codes."""
    return getattr(error, "error_code", None) in codes


class StorageClients:
    """The clients of one process, one of each kind an account."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: dict[str, BlobServiceClient] = {}

    def queues(self, connection: str) -> QueueServiceClient:
        """Waits some seconds for a service that is away. Raises SettingsError."""
        if connection not in self._queues:
            account = storage_account(connection, self._settings)
            self._queues[connection] = QueueServiceClient.from_connection_string(
                account.connection,
                api_version=_API_VERSION,
                retry_policy=_patience(),
                connection_timeout=_CONNECT_S,
                read_timeout=_READ_S,
            )
        return self._queues[connection]

    def blobs(self, connection: str) -> BlobServiceClient:
        """Waits some seconds for a service that is away. Raises SettingsError."""
        if connection not in self._blobs:
            account = storage_account(connection, self._settings)
            self._blobs[connection] = BlobServiceClient.from_connection_string(
                account.connection,
                api_version=_API_VERSION,
                retry_policy=_patience(),
                connection_timeout=_CONNECT_S,
                read_timeout=_READ_S,
            )
        return self._blobs[connection]

    async def close(self) -> None:
        for queues in self._queues.values():
            await queues.close()
        for blobs in self._blobs.values():
            await blobs.close()


def _patience() -> LinearRetry:
    return LinearRetry(
        backoff=_PAUSE_S,
        random_jitter_range=0,
        retry_total=_ATTEMPTS,
        retry_connect=_ATTEMPTS,
        retry_read=_ATTEMPTS,
        retry_status=_ATTEMPTS,
    )


async def why_silent(account: StorageAccount, service: str, patience_s: float) -> str:
    """Empty when `blob` or `queue` of the account answers within the bound, else why it does not."""
    clients = StorageClients({account.setting: account.connection})
    client = clients.queues(account.setting) if service == "queue" else clients.blobs(account.setting)
    deadline = time.monotonic() + patience_s
    try:
        while True:
            try:
                await client.get_service_properties(
                    retry_total=0, connection_timeout=_CONNECT_S, read_timeout=_CONNECT_S
                )
            except AzureError as error:
                if not is_outage(error):
                    return f"{account.endpoint(service)} refuses '{account.setting}': {error.message.splitlines()[0]}"
                if time.monotonic() > deadline:
                    return f"nothing answers at {account.endpoint(service)} (setting '{account.setting}')"
            else:
                return ""
            await asyncio.sleep(_PROBE_PAUSE_S)
    finally:
        await clients.close()
