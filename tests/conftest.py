"""What every area may use: one PostgreSQL a test session, a fresh migrated database a test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from emulators.processes.postgres import PostgresServer
from shared.adapters.postgres.database import Database
from tests.support.databases import Template


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long and with which choices tests/crash kills processes."""
    group = parser.getgroup("crash")
    group.addoption("--crash-rounds", type=int, default=20, help="kills at random moments (20)")
    group.addoption("--crash-seed", type=int, default=1, help="seed of the moments and their order (1)")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server without fsync: a test never survives the machine."""
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"), fsync=False)
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
