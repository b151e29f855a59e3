"""What every area may use: one PostgreSQL a test session, a fresh database a test, and a broker's core on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from redis.asyncio import Redis

from emulators.processes.postgres import PostgresServer
from shared.adapters.postgres.database import Database
from shared.adapters.redis.client import connect
from tests.support.broker import Broker
from tests.support.busy import BusyBroker
from tests.support.databases import Template, data_folder
from tests.support.valkey import running_valkey
from tests.verify.world import World, build


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long and with which choices tests/crash kills processes, and how much history is compared."""
    group = parser.getgroup("crash")
    group.addoption("--crash-rounds", type=int, default=20, help="kills at random moments (20)")
    group.addoption("--crash-seed", type=int, default=1, help="seed of the moments and their order (1)")
    parser.addoption(
        "--growth-orders", type=int, nargs=2, default=(3_000, 24_000), help="lengths of history (3000 24000)"
    )


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server without fsync: a test never survives the machine."""
    with data_folder(tmp_path_factory.mktemp("postgres")) as folder:
        server = PostgresServer.start(folder, fsync=False)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Template:
    """The broker's newest schema, to be copied."""
    return Template.migrated(postgres_server)


@pytest.fixture
def postgres_url(migrated: Template) -> Iterator[str]:
    """URI of an empty, migrated database of this test alone."""
    url = migrated.copy()
    yield url
    migrated.drop(url)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """An open pool on the test's database."""
    pool = Database(postgres_url, most=16)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey that all tests share: keys and channels are each test's own."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    """A client of it."""
    client = connect(valkey)
    yield client
    await client.aclose()


@pytest.fixture
def quiet_log() -> Iterator[None]:
    """Drawing tracebacks takes longer than the failing tests themselves."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
async def broker(database: Database, postgres_url: str, quiet_log: None) -> Broker:
    """Alice and Bob have money and shares."""
    made = Broker(database, postgres_url)
    await made.open_accounts()
    return made


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Broker]:
    """Another process on the same database."""
    pool = Database(postgres_url, most=16)
    await pool.open()
    yield Broker(pool, postgres_url)
    await pool.close()


@pytest.fixture(scope="session")
def busy_template(migrated: Template) -> tuple[Template, World]:
    """A database in which much is going on, to be copied."""
    url = migrated.copy()
    world = asyncio.run(build(url, busy=True))
    return Template.of(migrated.server, url), world


@pytest.fixture
async def busy(busy_template: tuple[Template, World]) -> AsyncIterator[BusyBroker]:
    """A copy of the busy database behind an open pool."""
    template, world = busy_template
    url = template.copy()
    pool = Database(url, most=3)
    await pool.open()
    yield BusyBroker(url, pool, world)
    await pool.close()
    template.drop(url)
