"""One PostgreSQL and one server a test session, one database of the account a test."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from azure.cosmos.exceptions import CosmosHttpResponseError

from emulators.cosmos.server import CosmosServer
from emulators.processes.postgres import PostgresServer
from emulators.tests.cosmos.sdk import KINDS, Sdk, connected, key_path


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("cosmos-postgres"), fsync=False)
    yield server
    server.stop()


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    return postgres.create_database(f"cosmos_{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def shared_server(postgres: PostgresServer) -> Iterator[CosmosServer]:
    """Runs on a loop of its own, because the synchronous client blocks the test's."""
    dsn = postgres.create_database("cosmos_shared")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = CosmosServer.start(dsn)
    server = asyncio.run_coroutine_threadsafe(anext(_entered(running)), loop).result(30)
    yield server
    asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def _entered(running: object) -> AsyncIterator[CosmosServer]:
    yield await running.__aenter__()  # type: ignore[attr-defined]


@pytest.fixture(params=KINDS)
async def client(shared_server: CosmosServer, request: pytest.FixtureRequest) -> AsyncIterator[Sdk]:
    async with connected(request.param, shared_server.url, shared_server.key) as opened:
        yield opened


@pytest.fixture
async def database(client: Sdk) -> AsyncIterator[Sdk]:
    name = f"db-{uuid.uuid4().hex[:8]}"
    yield await client.create_database(name)
    try:
        await client.delete_database(name)
    except CosmosHttpResponseError as error:
        if error.status_code != 404:
            raise


@pytest.fixture
async def container(database: Sdk) -> Sdk:
    """Partitioned by `/pk`, so items of it lie in both ranges."""
    created: Sdk = await database.create_container("items", key_path("/pk"))
    return created
