"""PostgreSQL for the exchange's tests: one server a worker, one database a test."""

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from emulators.processes.postgres import PostgresServer
from simulators.exchange.store import migrate


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"), fsync=False)
    migrate(server.create_database("template_exchange"))
    yield server
    server.stop()


@pytest.fixture
def make_database(postgres: PostgresServer) -> Callable[[], str]:
    """Makes fresh, migrated databases; gives their DSNs."""

    def make() -> str:
        name = f"exchange_{uuid.uuid4().hex}"
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template_exchange')
        return postgres.dsn(name)

    return make


@pytest.fixture
def database(make_database: Callable[[], str]) -> str:
    return make_database()
