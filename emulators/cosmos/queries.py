"""Queries over a scope: one page of results, and where the next one begins.

A query whose documents do not depend on one another goes on behind the last document it read. Any other one is worked
out as a whole, and goes on behind the last result it gave; its results are kept for a while, or worked out again.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from emulators.cosmos import charges, scope
from emulators.cosmos.catalog import Container
from emulators.cosmos.continuations import Continuations
from emulators.cosmos.cursors import Cursors
from emulators.cosmos.documents import Document, normalised
from emulators.cosmos.errors import CosmosError, bad_request
from emulators.cosmos.limits import MAX_PARAMETERS, MAX_RESPONSE_BYTES, MAX_SCANNED_BYTES
from emulators.cosmos.scope import Found, Position, Scope
from emulators.cosmos.sql.budget import QueryTooCostlyError
from emulators.cosmos.sql.parser import parse
from emulators.cosmos.sql.pinned import Pins, alternatives, id_range
from emulators.cosmos.sql.program import Collector, Program, compile_query
from emulators.cosmos.sql.syntax import QuerySyntaxError, Select
from emulators.cosmos.store import Store
from emulators.cosmos.values import Value

_TURN_S = 0.02


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was sent, parsed; parameters by their names with the at sign."""

    text: str
    select: Select
    parameters: Mapping[str, Value]

    @property
    def identity(self) -> bytes:
        """The same for the same query, in continuation tokens."""
        parameters = orjson.dumps(dict(self.parameters), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(self.text.encode() + b"\0" + parameters).digest()

    def compile(self) -> Program:
        """Raises CosmosError."""
        try:
            return compile_query(self.select, self.parameters)
        except QuerySyntaxError as error:
            raise syntax_error(error) from error


@dataclass(slots=True)
class Page:
    """Results as JSON, and the continuation when there may be more."""

    results: list[bytes] = field(default_factory=list)
    continuation: str | None = None
    read_items: int = 0
    read_bytes: int = 0

    @property
    def charge(self) -> float:
        return charges.query(self.read_items, self.read_bytes)

    def note(self, found: Found) -> None:
        """One document was read."""
        self.read_items += 1
        self.read_bytes += len(found.body)


def syntax_error(error: Exception) -> CosmosError:
    """As the service words it, with the error inside."""
    return bad_request(
        orjson.dumps({"errors": [{"severity": "Error", "code": "SC1001", "message": str(error)}]}).decode()
    )


def read_query(body: Document) -> Query:
    """The query of a request's body. Raises CosmosError."""
    text, given = body.get("query"), body.get("parameters") or []
    if not isinstance(text, str) or not isinstance(given, list) or len(given) > MAX_PARAMETERS:
        raise bad_request(f"A query is an object with 'query' and up to {MAX_PARAMETERS} 'parameters'.")
    parameters: dict[str, Value] = {}
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise bad_request("A query parameter has a name and a value.")
        name = one["name"] if one["name"].startswith("@") else f"@{one['name']}"
        parameters[name] = one.get("value")
    try:
        return Query(text, parse(text), parameters)
    except QuerySyntaxError as error:
        raise syntax_error(error) from error


def narrowed(query: Query, whole: Scope) -> tuple[Scope, list[bytes] | None]:
    """The scope with what the filter says of ids and partition keys, and the places it pins, None if it does not."""
    container = whole.container
    pinned = alternatives(query.select, query.parameters)
    given = [(_place(pins, container) or whole.place, pins.get(("id",))) for pins in pinned]
    places = {place for place, _ in given if place is not None}
    if not all(place is not None for place, _ in given):
        return whole, None
    if all(isinstance(item_id, str) for _, item_id in given):
        points = {(place, item_id) for place, item_id in given if place is not None and isinstance(item_id, str)}
        return Scope(container, whole.span, tuple(sorted(points))), sorted(places)
    if len(places) == 1:
        [only] = places
        ids = id_range(query.select, query.parameters)
        return Scope(container, scope.span_of(only).within(whole.span), ids=ids), [only]
    return whole, sorted(places)


def _place(pins: Pins, container: Container) -> bytes | None:
    """Where items with these values lie, if they say so."""
    paths = container.definition.key_paths
    if not all(path in pins and isinstance(pins[path], str | int | float | None) for path in paths):
        return None
    return container.place(tuple(normalised(pins[path]) for path in paths))


class Queries:
    """Runs queries on the store."""

    def __init__(self, store: Store, continuations: Continuations) -> None:
        self._store = store
        self._continuations = continuations
        self._cursors = Cursors()

    async def page(self, query: Query, where: Scope, most: int, token: str | None) -> Page:
        """The next `most` results. Raises CosmosError."""
        program = query.compile()
        asked = query.identity + where.identity
        position = self._continuations.read(asked, token) if token else None
        try:
            if program.streams:
                return await self._streamed(program, where, most, asked, position)
            return await self._collected(program, where, most, asked, position)
        except QueryTooCostlyError as error:
            raise bad_request(str(error)) from error

    async def _streamed(
        self, program: Program, where: Scope, most: int, asked: bytes, position: list[Any] | None
    ) -> Page:
        """`position` is the last document's place and number, and how many results of the next one were given."""
        after, given = _position(position)
        page, size, pace = Page(), 0, Pace()
        async for chunk in scope.read(self._store, where, after):
            for found in chunk:
                page.note(found)
                for value in list(program.results(orjson.loads(found.body)))[given:]:
                    result = orjson.dumps(value)
                    if len(page.results) == most or (page.results and size + len(result) > MAX_RESPONSE_BYTES):
                        page.continuation = self._continuations.write(asked, [after[0].hex(), after[1], given])
                        return page
                    page.results.append(result)
                    size += len(result)
                    given += 1
                after, given = found.position, 0
                await pace()
            if page.read_bytes > MAX_SCANNED_BYTES:
                page.continuation = self._continuations.write(asked, [after[0].hex(), after[1], 0])
                return page
        return page

    async def _collected(
        self, program: Program, where: Scope, most: int, asked: bytes, position: list[Any] | None
    ) -> Page:
        """`position` is how many results were given, and where the others may have been kept."""
        given, cursor = position or (0, 0)
        page, results = Page(), self._cursors.find(cursor)
        if results is None:
            results, cursor = await self._worked_out(program, where, page), 0
        size = 0
        for result in results[given : given + most]:
            if page.results and size + len(result) > MAX_RESPONSE_BYTES:
                break
            page.results.append(result)
            size += len(result)
        given += len(page.results)
        if given < len(results):
            page.continuation = self._continuations.write(asked, [given, cursor or self._cursors.keep(results)])
        return page

    async def _worked_out(self, program: Program, where: Scope, page: Page) -> Sequence[bytes]:
        """All results as JSON; what is read for them is noted on the page."""
        collector, pace = Collector(program), Pace()
        async for chunk in scope.read(self._store, where, scope.START):
            for found in chunk:
                page.note(found)
                collector.add(program.row(orjson.loads(found.body)), len(found.body))
                await pace()
            if collector.satisfied:
                break
        return [orjson.dumps(value) for value in collector.results()]


class Pace:
    """Lets other requests have a turn."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def __call__(self) -> None:
        """After each document."""
        if time.monotonic() - self._since > _TURN_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()


def _position(position: list[Any] | None) -> tuple[Position, int]:
    if position is None:
        return scope.START, 0
    place, number, given = position
    return (bytes.fromhex(place), number), given
