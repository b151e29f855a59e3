"""The account, databases, containers, their ranges and their throughput."""

from typing import Any
from urllib.parse import quote

import orjson

from emulators.cosmos.catalog import Catalog, Container
from emulators.cosmos.errors import bad_request, not_found
from emulators.cosmos.exchange import Answer, Request, answer_feed, answer_object, views
from emulators.cosmos.offers import asked_throughput, read_throughput
from emulators.cosmos.queries import read_query
from emulators.cosmos.resources import range_rid
from emulators.cosmos.sql.program import Collector

_ENGINE = {"maxSqlQueryInputLength": 262144, "maxJoinsPerSqlQuery": 10, "sqlAllowNonFiniteNumbers": False}


class Metadata:
    """Answers everything but items."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def account(self, request: Request) -> Answer:
        """Clients go on at the address that this names, so it is the one that they came by."""
        location = {"name": "Emulator", "databaseAccountEndpoint": f"http://{request.host}/"}
        view: dict[str, Any] = {
            "_self": "",
            "id": "emulator",
            "_rid": "emulator",
            "media": "//media/",
            "addresses": "//addresses/",
            "_dbs": "//dbs/",
            "writableLocations": [location],
            "readableLocations": [location],
            "enableMultipleWriteLocations": False,
            "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
            "userReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 1, "asyncReplication": False},
            "systemReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 1},
            "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
            "queryEngineConfiguration": orjson.dumps(_ENGINE).decode(),
        }
        return answer_object(view)

    # --- databases --------------------------------------------------------------------------------------------------

    async def databases(self, request: Request) -> Answer:
        """List, query or create."""
        if request.method == "GET" or request.flag("x-ms-documentdb-isquery"):
            return _selected(request, "", "Databases", [one.view for one in self._catalog.databases.values()])
        _require(request, "POST")
        database = await self._catalog.create_database(request.object(), asked_throughput(request.headers))
        return answer_object(database.view, 201)

    async def database(self, request: Request, name: str) -> Answer:
        """Read or delete."""
        if request.method == "GET":
            return answer_object(self._catalog.database(name).view)
        _require(request, "DELETE")
        await self._catalog.drop_database(name, request.header("If-Match"))
        return Answer(204)

    # --- containers -------------------------------------------------------------------------------------------------

    async def containers(self, request: Request, database_name: str) -> Answer:
        """List, query or create."""
        database = self._catalog.database(database_name)
        if request.method == "GET" or request.flag("x-ms-documentdb-isquery"):
            rows = [one.view for one in database.containers.values()]
            return _selected(request, database.rid, "DocumentCollections", rows)
        _require(request, "POST")
        throughput = asked_throughput(request.headers)
        container = await self._catalog.create_container(database_name, request.object(), throughput)
        return answer_object(container.view, 201, _container_headers(container))

    async def container(self, request: Request, container: Container) -> Answer:
        """Read, replace or delete."""
        if request.method == "GET":
            return answer_object(container.view, headers=_container_headers(container))
        if_match = request.header("If-Match")
        if request.method == "PUT":
            changed = await self._catalog.replace_container(container, request.object(), if_match)
            return answer_object(changed.view, headers=_container_headers(changed))
        _require(request, "DELETE")
        await self._catalog.drop_container(container, if_match)
        return Answer(204)

    def ranges(self, request: Request, container: Container) -> Answer:
        """All of them; clients ask again with the version that they know until nothing is new."""
        _require(request, "GET")
        etag = f'"{container.rid}"'
        headers = {"etag": etag, "x-ms-alt-content-path": quote(container.path)}
        if request.header("If-None-Match") == etag:
            return Answer(304, b"", headers)
        rows = [
            one.view(range_rid(container.database_id, container.id, one.number), container.link)
            for one in container.ranges
        ]
        answer = answer_feed(container.rid, "PartitionKeyRanges", views(rows))
        answer.headers.update(headers)
        return answer

    # --- throughput -------------------------------------------------------------------------------------------------

    def offers(self, request: Request) -> Answer:
        """List or query."""
        if request.method != "GET" and not request.flag("x-ms-documentdb-isquery"):
            raise bad_request("Throughput is given when a container is created, and replaced later.")
        return _selected(request, "", "Offers", [one.view for one in self._catalog.offers])

    async def offer(self, request: Request, rid: str) -> Answer:
        """Read or replace."""
        if request.method == "PUT":
            content = request.object().get("content")
            wanted = read_throughput(content.get("offerThroughput") if isinstance(content, dict) else None)
            found = await self._catalog.set_throughput(rid.lower(), wanted)
        else:
            _require(request, "GET")
            found = next((one for one in self._catalog.offers if one.rid == rid.lower()), None)
        if found is None:
            raise not_found()
        return answer_object(found.view)


def _require(request: Request, method: str) -> None:
    if request.method != method:
        raise bad_request(f"The resource does not take {request.method}.")


def _container_headers(container: Container) -> dict[str, str]:
    return {"x-ms-alt-content-path": quote(container.path), "x-ms-content-path": container.rid}


def _selected(request: Request, rid: str, name: str, rows: list[dict[str, Any]]) -> Answer:
    """All of the rows in one page, or those that a query selects."""
    if not request.flag("x-ms-documentdb-isquery"):
        return answer_feed(rid, name, views(rows))
    program = read_query(request.object()).compile()
    collector = Collector(program)
    for row in rows:
        collector.add(program.row(row))
    return answer_feed(rid, name, views(collector.results()))
