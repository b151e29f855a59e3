"""Databases and containers: in memory, and in PostgreSQL before they are answered."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from emulators.cosmos import definitions
from emulators.cosmos.definitions import Definition
from emulators.cosmos.documents import Document
from emulators.cosmos.errors import CosmosError, bad_request, conflict, not_found, precondition_failed
from emulators.cosmos.limits import MAX_CONTAINERS
from emulators.cosmos.offers import DEFAULT_THROUGHPUT, Offer
from emulators.cosmos.partitions import Key, Range, place, ranges
from emulators.cosmos.resources import container_rid, database_rid
from emulators.cosmos.store import Store


def new_etag() -> str:
    """A version of a database or container, in quotes."""
    return f'"{uuid.uuid4()}"'


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is declared; replaced as a whole when it changes."""

    id: int
    database_id: int
    name: str
    path: str
    properties: Document
    definition: Definition
    ranges: tuple[Range, ...]
    throughput: int | None
    etag: str
    changed_at: int

    @property
    def rid(self) -> str:
        return container_rid(self.database_id, self.id)

    @property
    def link(self) -> str:
        return f"dbs/{database_rid(self.database_id)}/colls/{self.rid}/"

    @property
    def view(self) -> Document:
        """As clients read it."""
        system = {"_rid": self.rid, "_ts": self.changed_at, "_self": self.link, "_etag": self.etag}
        links = {"_docs": "docs/", "_sprocs": "sprocs/", "_triggers": "triggers/", "_udfs": "udfs/"}
        return {**self.properties, **system, **links, "_conflicts": "conflicts/"}

    @property
    def offer(self) -> Offer | None:
        """Its own throughput."""
        if self.throughput is None:
            return None
        return Offer(f"c{self.id:07x}", self.link, self.rid, self.throughput, self.etag, self.changed_at)

    def place(self, key: Key) -> bytes:
        """Where items of a whole key lie."""
        return place(key, hierarchical=self.definition.hierarchical)


@dataclass(slots=True)
class Database:
    """A database and its containers by name."""

    id: int
    name: str
    etag: str
    changed_at: int
    throughput: int | None
    containers: dict[str, Container] = field(default_factory=dict)

    @property
    def rid(self) -> str:
        return database_rid(self.id)

    @property
    def link(self) -> str:
        return f"dbs/{self.rid}/"

    @property
    def offer(self) -> Offer | None:
        """The throughput that its containers share."""
        if self.throughput is None:
            return None
        return Offer(f"d{self.id:07x}", self.link, self.rid, self.throughput, self.etag, self.changed_at)

    @property
    def view(self) -> Document:
        """As clients read it."""
        system = {"_rid": self.rid, "_self": self.link, "_etag": self.etag, "_ts": self.changed_at}
        return {"id": self.name, **system, "_colls": "colls/", "_users": "users/"}


class Catalog:
    """All databases; changes are made one after the other."""

    def __init__(self, store: Store, range_count: int) -> None:
        self._store = store
        self._range_count = range_count
        self._changing = asyncio.Lock()
        self.databases: dict[str, Database] = {}

    async def load(self) -> None:
        """Read what there is. Raises CosmosError."""
        by_id: dict[int, Database] = {}
        for row in await self._store.fetch("load_databases"):
            by_id[row[0]] = self.databases[row[1]] = Database(*row)
        for number, database_id, name, properties, count, *rest in await self._store.fetch("load_containers"):
            database = by_id[database_id]
            database.containers[name] = _container(number, database, orjson.loads(properties), count, *rest)

    @property
    def containers(self) -> list[Container]:
        """Those of all databases."""
        return [one for database in self.databases.values() for one in database.containers.values()]

    def database(self, name: str) -> Database:
        """Raises CosmosError (404)."""
        found = self.databases.get(name)
        if found is None:
            raise not_found("Owner resource does not exist")
        return found

    def container(self, database_name: str, name: str) -> Container:
        """Raises CosmosError (404)."""
        found = self.database(database_name).containers.get(name)
        if found is None:
            raise CosmosError(404, "Owner resource does not exist", sub_status=1003)
        return found

    async def create_database(self, body: Document, throughput: int | None = None) -> Database:
        """Raises CosmosError (400, 409)."""
        name = definitions.check_name(body.get("id"))
        async with self._changing:
            if name in self.databases:
                raise conflict()
            if len(self.databases) >= MAX_CONTAINERS:
                raise bad_request(f"The emulator holds at most {MAX_CONTAINERS} databases.")
            etag, now = new_etag(), int(time.time())
            [(number,)] = await self._store.fetch("create_database", (name, etag, now, throughput))
            database = self.databases[name] = Database(number, name, etag, now, throughput)
        return database

    async def drop_database(self, name: str, if_match: str | None) -> None:
        """With all of its containers. Raises CosmosError (404, 412)."""
        async with self._changing:
            database = self.database(name)
            check_match(if_match, database.etag)
            await self._drop([one.id for one in database.containers.values()], database.id)
            del self.databases[database.name]

    async def create_container(self, database_name: str, body: Document, throughput: int | None) -> Container:
        """Raises CosmosError (400, 404, 409)."""
        properties = definitions.declared(body)
        name = properties["id"]
        async with self._changing:
            database = self.database(database_name)
            if name in database.containers:
                raise conflict()
            if len(self.containers) >= MAX_CONTAINERS:
                raise bad_request(f"The emulator holds at most {MAX_CONTAINERS} containers.")
            made: dict[str, Any] = {
                "ranges": self._range_count,
                "throughput": throughput or (DEFAULT_THROUGHPUT if database.throughput is None else None),
                "etag": new_etag(),
                "changed_at": int(time.time()),
            }
            text = orjson.dumps(properties).decode()
            parameters = {"database_id": database.id, "name": name, "properties": text, **made}
            [(number,)] = await self._store.fetch("create_container", parameters)
            container = database.containers[name] = _container(number, database, properties, *made.values())
        return container

    async def replace_container(self, container: Container, body: Document, if_match: str | None) -> Container:
        """Raises CosmosError (400, 412)."""
        async with self._changing:
            container = self._current(container)
            check_match(if_match, container.etag)
            properties = definitions.replaced(container.properties, body)
            changed = replace(
                container,
                properties=properties,
                definition=Definition.of(properties),
                etag=new_etag(),
                changed_at=int(time.time()),
            )
            text = orjson.dumps(properties).decode()
            parameters = {"id": changed.id, "properties": text, "etag": changed.etag, "changed_at": changed.changed_at}
            await self._store.fetch("replace_container", parameters)
            return self._put(changed)

    async def set_throughput(self, rid: str, throughput: int) -> Offer | None:
        """Of the database or container whose offer has this id; None when there is none."""
        async with self._changing:
            for database in self.databases.values():
                if database.offer is not None and database.offer.rid == rid:
                    await self._store.fetch("set_database_throughput", (throughput, database.id))
                    database.throughput = throughput
                    return database.offer
            for container in self.containers:
                if container.offer is not None and container.offer.rid == rid:
                    await self._store.fetch("set_container_throughput", (throughput, container.id))
                    return self._put(replace(container, throughput=throughput)).offer
        return None

    @property
    def offers(self) -> list[Offer]:
        """Those of all databases and containers."""
        of_databases = [one.offer for one in self.databases.values()]
        of_containers = [one.offer for one in self.containers]
        return [offer for offer in (*of_databases, *of_containers) if offer is not None]

    async def drop_container(self, container: Container, if_match: str | None) -> None:
        """With all of its items. Raises CosmosError (404, 412)."""
        async with self._changing:
            container = self._current(container)
            check_match(if_match, container.etag)
            await self._drop([container.id])
            del self._owner(container).containers[container.name]

    def _owner(self, container: Container) -> Database:
        return next(one for one in self.databases.values() if one.id == container.database_id)

    def _current(self, container: Container) -> Container:
        """The container as it is by now, unless it was dropped meanwhile. Raises CosmosError (404)."""
        found = next((one for one in self.containers if one.id == container.id), None)
        if found is None:
            raise not_found("Owner resource does not exist")
        return found

    def _put(self, container: Container) -> Container:
        self._owner(container).containers[container.name] = container
        return container

    async def _drop(self, container_ids: list[int], database_id: int | None = None) -> None:
        """Writers hold the row of their range, so none of them can leave an item behind."""
        async with self._store.transaction() as session:
            await session.fetch("lock_ranges", {"ids": container_ids})
            await session.fetch("drop_containers", {"ids": container_ids})
            if database_id is not None:
                await session.fetch("drop_database", (database_id,))


def check_match(if_match: str | None, etag: str) -> None:
    """Raises CosmosError (412) when `If-Match` names another version."""
    if if_match not in (None, "*", etag):
        raise precondition_failed()


def _container(
    number: int,
    database: Database,
    properties: Document,
    count: int,
    throughput: int | None,
    etag: str,
    changed_at: int,
) -> Container:
    return Container(
        id=number,
        database_id=database.id,
        name=properties["id"],
        path=f"dbs/{database.name}/colls/{properties['id']}",
        properties=properties,
        definition=Definition.of(properties),
        ranges=tuple(ranges(count)),
        throughput=throughput,
        etag=etag,
        changed_at=changed_at,
    )
