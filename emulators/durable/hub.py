"""A task hub, opened by one host process: the engine behind contract.TaskHub.

Rules: every process that opens a hub can start, signal and query instances; only one that calls
`start_worker` takes turns. Several of both kinds may share a hub.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute

from emulators.durable import addresses
from emulators.durable.api import ManagementApi
from emulators.durable.client import HubClient
from emulators.durable.contract import Invoker, WebhookAddresses
from emulators.durable.limits import check_hub_name
from emulators.durable.page import DeveloperPage
from emulators.durable.session import Session
from emulators.durable.settings import HubSettings
from emulators.durable.store import HubRow, Store, connect, migrate
from emulators.durable.worker import Worker


class DurableTaskHub:
    """One opened task hub. Use `open_task_hub` to get one."""

    def __init__(self, dsn: str, hub: str, partitions: int, settings: HubSettings) -> None:
        self._dsn = dsn
        self._hub = hub
        self._partitions = partitions
        self._settings = settings
        self._worker: Worker | None = None
        self.client = HubClient(dsn, hub, partitions, settings, self._session)
        self._api = ManagementApi(hub, self.client)
        self._page = DeveloperPage(hub, self.client)

    def routes(self) -> Sequence[BaseRoute]:
        """The management API, relative to its mount point."""
        return self._api.routes()

    def page_routes(self) -> Sequence[BaseRoute]:
        """The developers' read-only page, relative to its mount point; the host guards it as it does the webhook."""
        return self._page.routes()

    def client_binding(self, addresses_: WebhookAddresses) -> str:
        """JSON text of a durableClient binding."""
        return addresses.client_binding(self._hub, addresses_)

    async def start_worker(self, invoker: Invoker) -> None:
        """Register the invoker's functions and begin to take turns and activities."""
        connection = await connect(self._dsn)
        try:
            await Store(connection, self._hub).rows(
                "register_functions",
                orchestrators=sorted(invoker.orchestrators),
                activities=sorted(invoker.activities),
                entities=sorted(invoker.entities),
            )
        finally:
            await connection.close()
        self._worker = Worker(self._dsn, self._hub, self._partitions, self._settings, invoker)
        self._worker.start()

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, wait at most `timeout_s` seconds for what runs, give the leases back, disconnect."""
        if self._worker is not None:
            await self._worker.drain(timeout_s)
            self._worker = None
        await self.client.close()

    def _session(self) -> Session | None:
        return self._worker.session if self._worker is not None else None


async def open_task_hub(database_dsn: str, hub_name: str, settings: Mapping[str, Any]) -> DurableTaskHub:
    """Open (and at first create) a task hub in the schema `durable` of a PostgreSQL database.

    `settings` is host.json's `extensions.durableTask`. Raises ValueError for wrong settings or a wrong hub
    name, psycopg.Error if the database cannot be reached.
    """
    check_hub_name(hub_name)
    parsed = HubSettings.from_host_json(settings)
    await migrate(database_dsn)
    partitions = await _register(database_dsn, hub_name, parsed)
    hub = DurableTaskHub(database_dsn, hub_name, partitions, parsed)
    await hub.client.open()
    return hub


async def _register(dsn: str, hub: str, settings: HubSettings) -> int:
    """The number of partitions that the hub was created with."""
    connection = await connect(dsn)
    try:
        store = Store(connection, hub)
        await store.rows("register_hub", partitions=settings.partitions)
        await store.rows("register_partitions")
        [row] = await store.records(HubRow, "hub")
    finally:
        await connection.close()
    return row.partitions
