"""PostgreSQL for the exchange's tests: one database a test."""

from collections.abc import Callable, Iterator

import pytest

from emulators.processes.postgres import PostgresServer
from simulators.exchange.store import migrate
from tests.support.databases import Template


@pytest.fixture(scope="session")
def venue_template(postgres_server: PostgresServer) -> Template:
    """The exchange's newest schema, empty."""
    url = postgres_server.create_database("venue_template")
    migrate(url)
    return Template.of(postgres_server, url)


@pytest.fixture
def make_database(venue_template: Template) -> Iterator[Callable[[], str]]:
    """Makes fresh, migrated databases; gives their DSNs."""
    made: list[str] = []

    def make() -> str:
        made.append(venue_template.copy())
        return made[-1]

    yield make
    for url in made:
        venue_template.drop(url)


@pytest.fixture
def database(make_database: Callable[[], str]) -> str:
    return make_database()
