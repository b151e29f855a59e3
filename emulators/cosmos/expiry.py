"""What has outlived its time to live is gone at once for every reader; its rows are deleted here, a little later."""

import asyncio
import time

import structlog

from emulators.cosmos.catalog import Catalog, Container
from emulators.cosmos.errors import CosmosError
from emulators.cosmos.store import Store

_log = structlog.get_logger(__name__)
_PAUSE_S = 30.0
_BATCH = 1000


async def purge_for_ever(store: Store, catalog: Catalog) -> None:
    """Delete expired items of all containers again and again."""
    while True:
        await asyncio.sleep(_PAUSE_S)
        for container in catalog.containers:
            try:
                await purge(store, container)
            except CosmosError as error:
                _log.warning("Expired items could not be deleted; trying again", error=str(error))


async def purge(store: Store, container: Container) -> None:
    """Delete what has expired in one container. Raises CosmosError (503)."""
    default_s = container.definition.ttl_s
    if default_s is None:
        return
    parameters = {"container_id": container.id, "now": time.time(), "ttl_s": default_s}
    for statement in ["purge_own_end"] + (["purge_by_age"] if default_s > 0 else []):
        while (await store.fetch(statement, parameters))[0][0] == _BATCH:
            continue
