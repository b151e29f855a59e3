"""Prepared worlds, copied for every test: a busy one, and one at rest with its venue."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from emulators.processes.postgres import PostgresServer
from simulators.exchange.store import migrate as migrate_venue
from tests.support.databases import Template
from tests.verify.world import World, build, write_venue


@dataclass(frozen=True)
class Prepared:
    """Databases to copy, by name, with what they hold."""

    server: PostgresServer
    templates: Mapping[str, Template]
    busy: World
    rest: World
    at_rest: str
    """DSN of the world at rest itself, for tests that only read it."""

    def copy(self, name: str) -> str:
        """DSN of a fresh copy."""
        return self.templates[name].copy()


@pytest.fixture(scope="session")
def prepared(migrated: Template, busy_template: tuple[Template, World]) -> Prepared:
    server = migrated.server
    url = migrated.copy()
    rest = asyncio.run(build(url, busy=False))
    template = Template.of(server, url)
    venue = server.create_database("venue")
    migrate_venue(venue)
    write_venue(venue, rest.reports)
    templates = {"busy": busy_template[0], "rest": template, "venue": Template.of(server, venue)}
    return Prepared(server, templates, busy_template[1], rest, template.copy())


@pytest.fixture
def busy_world(prepared: Prepared) -> World:
    return prepared.busy


@pytest.fixture
def rest_world(prepared: Prepared) -> World:
    return prepared.rest


@pytest.fixture
def copy(prepared: Prepared) -> Iterator[Callable[[str], str]]:
    """Copies that are dropped after the test."""
    made: list[tuple[Template, str]] = []

    def copied(name: str) -> str:
        template = prepared.templates[name]
        made.append((template, template.copy()))
        return made[-1][1]

    yield copied
    for template, url in made:
        template.drop(url)
