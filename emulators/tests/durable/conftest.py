"""One PostgreSQL server for the session, one database for each test."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.durable import DurableTaskHub, open_task_hub
from emulators.processes.postgres import PostgresServer
from emulators.tests.durable.support import AppInvoker

type OpenHub = Callable[..., Awaitable[DurableTaskHub]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    started = PostgresServer.start(folder / "server", fsync=False)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def session_dsn(server: PostgresServer) -> str:
    return server.create_database("durable_tests")


@pytest.fixture
def hub_name() -> str:
    return f"hub{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def open_hub(session_dsn: str, hub_name: str) -> AsyncIterator[OpenHub]:
    """Opens hubs of the test's own name; drains them all at the end."""
    opened: list[DurableTaskHub] = []

    async def open_one(invoker: AppInvoker | None = None, **settings: Any) -> DurableTaskHub:
        hub = await open_task_hub(session_dsn, hub_name, settings)
        opened.append(hub)
        if invoker is not None:
            await hub.start_worker(invoker)
        return hub

    yield open_one
    for hub in reversed(opened):
        await hub.drain(1.0)


@pytest.fixture
def app() -> AppInvoker:
    return AppInvoker()
