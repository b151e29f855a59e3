"""Two prepared worlds, copied for every test: a busy one, and one at rest with its venue."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest

from emulators.processes.postgres import PostgresServer
from simulators.exchange.store import migrate as migrate_venue
from tests.verify.world import World, build, write_venue


@dataclass(frozen=True)
class Prepared:
    """Databases to copy, by name, with what they hold."""

    server: PostgresServer
    busy: World
    rest: World

    def copy(self, name: str) -> str:
        """DSN of a fresh copy."""
        copy = f"{name}_{uuid4().hex}"
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
        return self.server.dsn(copy)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"), fsync=False)
    try:
        busy = asyncio.run(build(server.create_database("busy"), busy=True))
        rest = asyncio.run(build(server.create_database("rest"), busy=False))
        venue = server.create_database("venue")
        migrate_venue(venue)
        write_venue(venue, rest.reports)
        yield Prepared(server, busy, rest)
    finally:
        server.stop()


@pytest.fixture
def busy_world(prepared: Prepared) -> World:
    return prepared.busy


@pytest.fixture
def rest_world(prepared: Prepared) -> World:
    return prepared.rest


@pytest.fixture
def copy(prepared: Prepared) -> Callable[[str], str]:
    return prepared.copy
