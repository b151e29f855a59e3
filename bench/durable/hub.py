"""A task hub that works as in the Functions host: Microsoft's worker library, the unmodified Durable SDK."""

import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from emulators.durable import DurableTaskHub, open_task_hub
from emulators.functions import worker
from emulators.functions.durable import WorkerInvoker
from emulators.functions.execution import Executor
from emulators.functions.indexing import index
from emulators.functions.logging import LogLevels, configure

HUB = "bench"
# The host hides its own folder from the apps that it loads; what is imported already they still find.
_SHARED_WITH_APPS = ("bench.steps", "orchestrations.saga")


@asynccontextmanager
async def working_hub(dsn: str, app: Path) -> AsyncIterator[DurableTaskHub]:
    """The hub `bench` of a database, with a worker for a folder's function app in this process."""
    for module in _SHARED_WITH_APPS:
        importlib.import_module(module)
    executor = Executor(configure(LogLevels({"default": "Warning"}), "bench"), None)
    functions = index(await worker.load_app(app), os.environ)
    hub = await open_task_hub(dsn, HUB, {})
    await hub.start_worker(WorkerInvoker(functions, executor))
    try:
        yield hub
    finally:
        await hub.drain(5)
