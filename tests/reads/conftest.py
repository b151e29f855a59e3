"""The small broker of `tests.verify.world` behind the shipped readers; every test gets its own copy."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest

from emulators.processes.postgres import PostgresServer
from sandbox.verify import Sources, Terms, verify
from shared.adapters.postgres.database import Database
from tests.verify.world import RATE_CARDS, World, build


@dataclass(frozen=True)
class Broker:
    """One database with its world."""

    dsn: str
    database: Database
    world: World

    def execute(self, statement: str) -> None:
        """Change something behind the broker's back."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(statement)

    def violations(self) -> list[str]:
        """What `verify` finds; the world leaves outboxes unsent."""
        found = verify(Sources(self.dsn), Terms(RATE_CARDS, settle_s=3600)).violations
        return [str(violation) for violation in found if violation.check != "outboxes are empty"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, World]]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"), fsync=False)
    try:
        yield server, asyncio.run(build(server.create_database("busy"), busy=True))
    finally:
        server.stop()


@pytest.fixture
async def broker(template: tuple[PostgresServer, World]) -> AsyncIterator[Broker]:
    server, world = template
    name = f"broker_{uuid4().hex}"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE busy')
    database = Database(server.dsn(name), most=3)
    await database.open()
    yield Broker(server.dsn(name), database, world)
    await database.close()
