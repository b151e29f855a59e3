"""Which handler answers a request, after its signature was checked.

/                                             the account
/dbs[/{db}[/colls[/{coll}]]]                  databases and containers
/dbs/{db}/colls/{coll}/pkranges               ranges of partition keys
/dbs/{db}/colls/{coll}/docs[/{id}]            items, queries, batches, the change feed
/offers[/{rid}]                               throughput
/_emulator/ready, /_emulator/faults           whether it serves; answers that a test asks for
"""

from emulators.cosmos.auth import AccountKeys
from emulators.cosmos.catalog import Catalog, Container
from emulators.cosmos.continuations import Continuations
from emulators.cosmos.errors import CosmosError, not_found
from emulators.cosmos.exchange import Answer, Request, answer_object
from emulators.cosmos.faults import Faults
from emulators.cosmos.feed_api import FeedApi
from emulators.cosmos.item_api import ItemApi
from emulators.cosmos.metadata import Metadata
from emulators.cosmos.queries import Queries
from emulators.cosmos.store import Store

_KINDS = ("conflicts", "permissions", "sprocs", "triggers", "udfs", "users")
_DELETE_PARTITION = ("operations", "partitionkeydelete")


class Routes:
    """Everything that an account answers."""

    def __init__(
        self, store: Store, catalog: Catalog, continuations: Continuations, keys: AccountKeys, faults: Faults
    ) -> None:
        self._catalog = catalog
        self._keys = keys
        self._faults = faults
        self._metadata = Metadata(catalog)
        self._items = ItemApi(store)
        self._feeds = FeedApi(store, Queries(store, continuations))

    async def answer(self, request: Request) -> Answer:
        """Raises CosmosError."""
        if request.segments[:1] == ("_emulator",):
            return self._own(request)
        kind, link = signed(request.segments)
        self._keys.check(
            request.headers.get("authorization", ""), request.method, kind, link, request.headers.get("x-ms-date", "")
        )
        self._faults.check(request.method, "/".join(request.segments))
        match request.segments:
            case ():
                return self._metadata.account(request)
            case ("dbs", *rest):
                return await self._database(request, rest)
            case ("offers",):
                return self._metadata.offers(request)
            case ("offers", rid):
                return await self._metadata.offer(request, rid)
        raise not_found("The path is not known.")

    async def _database(self, request: Request, rest: list[str]) -> Answer:
        match rest:
            case []:
                return await self._metadata.databases(request)
            case [name]:
                return await self._metadata.database(request, name)
            case [name, "colls"]:
                return await self._metadata.containers(request, name)
            case [name, "colls", container, *below]:
                return await self._container(request, self._catalog.container(name, container), below)
            case [*_, kind] | [*_, kind, _] if kind in _KINDS:
                raise CosmosError(501, f"The emulator has no '{kind}'.")
        raise not_found("The path is not known.")

    async def _container(self, request: Request, container: Container, below: list[str]) -> Answer:
        _check_intended(request, container)
        match below:
            case []:
                return await self._metadata.container(request, container)
            case ["pkranges"]:
                return self._metadata.ranges(request, container)
            case ["docs"]:
                return await self._documents(request, container)
            case ["docs", item_id]:
                if request.method == "GET":
                    return await self._items.read(request, container, item_id)
                return await self._items.change(request, container, item_id)
            case [*path] if tuple(path) == _DELETE_PARTITION:
                return await self._items.delete_partition(request, container)
            case [kind, *_] if kind in _KINDS:
                raise CosmosError(501, f"The emulator has no '{kind}'.")
        raise not_found("The path is not known.")

    async def _documents(self, request: Request, container: Container) -> Answer:
        if request.method == "GET":
            return await self._feeds.read(request, container)
        if request.method != "POST":
            raise CosmosError(405, f"The resource does not take {request.method}.")
        if request.flag("x-ms-cosmos-is-batch-request"):
            return await self._items.batch(request, container)
        if request.flag("x-ms-cosmos-is-query-plan-request"):
            return self._feeds.plan(request, container)
        if request.flag("x-ms-documentdb-isquery"):
            return await self._feeds.query(request, container)
        return await self._items.create(request, container)

    def _own(self, request: Request) -> Answer:
        """The emulator's own interface; whether it serves may be asked without a key."""
        if request.segments == ("_emulator", "ready"):
            return Answer(200)
        self._keys.check_key(request.headers.get("authorization", ""))
        if request.segments != ("_emulator", "faults"):
            raise not_found("The path is not known.")
        if request.method == "POST":
            self._faults.read(request.object())
        elif request.method == "DELETE":
            self._faults.waiting.clear()
        elif request.method != "GET":
            raise CosmosError(405, f"The resource does not take {request.method}.")
        return answer_object({"faults": [one.view for one in self._faults.waiting]})


def _check_intended(request: Request, container: Container) -> None:
    """A client that has read an earlier container of this name must read it again. Raises CosmosError (1024)."""
    if request.header("x-ms-cosmos-intended-collection-rid") not in (None, container.rid):
        raise CosmosError(400, "The container was created anew: its resource id is another one.", sub_status=1024)


def signed(segments: tuple[str, ...]) -> tuple[str, str]:
    """The kind of resource and the link that a request's signature is made over: the parent's for lists."""
    if segments[-2:] == _DELETE_PARTITION:
        return "colls", "/".join(segments[:-2])
    if not segments:
        return "", ""
    if len(segments) % 2 == 1:
        return segments[-1], "/".join(segments[:-1])
    # Throughput is named by its id alone.
    return segments[-2], segments[-1].lower() if segments[0] == "offers" else "/".join(segments)
