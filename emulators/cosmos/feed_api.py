"""Lists of items: read feeds, queries, their plans, and the change feed."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import orjson

from emulators.cosmos import charges
from emulators.cosmos.catalog import Container
from emulators.cosmos.changes import read_changes
from emulators.cosmos.errors import CosmosError, bad_request
from emulators.cosmos.exchange import Answer, Request, answer_feed, session_headers
from emulators.cosmos.partitions import EVERYTHING, Key, Range, Span, effective, range_of
from emulators.cosmos.queries import Page, Queries, Query, narrowed, read_query, syntax_error
from emulators.cosmos.scope import Scope, span_of
from emulators.cosmos.sql.pinned import path_of
from emulators.cosmos.sql.plan import UnsupportedFeatureError, needs_plan, plan
from emulators.cosmos.sql.syntax import QuerySyntaxError
from emulators.cosmos.store import Store

_EVERY_ITEM = read_query({"query": "SELECT * FROM c"})
_NOT_SERVABLE = (
    "The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) "
    "exception that all newer clients will know how to handle gracefully. This exception is traced, but unless you see "
    "it bubble up as an exception (which only happens on older SDK clients), then you can safely ignore this message."
)
_DISABLED = (
    "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, "
    "specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request looks: `range` is the one that it names, or that the partition key lies in."""

    span: Span
    range: Range | None
    is_partition: bool
    """Whether it is one partition key alone."""


class FeedApi:
    """Answers with lists of items."""

    def __init__(self, store: Store, queries: Queries) -> None:
        self._store = store
        self._queries = queries

    async def read(self, request: Request, container: Container) -> Answer:
        """All items in pages, or with the header `A-IM` the change feed."""
        if request.header("A-IM") is not None:
            return await self._changes(request, container)
        where = Scope(container, _target(request, container).span)
        token = request.header("x-ms-continuation")
        return _documents(container, await self._queries.page(_EVERY_ITEM, where, request.page_items, token))

    async def query(self, request: Request, container: Container) -> Answer:
        """One page of a query's results. Raises CosmosError (1004 when the client has to make a plan of it)."""
        query = read_query(request.object())
        _check_order(query, container)
        target = _target(request, container)
        where, places = narrowed(query, Scope(container, target.span))
        if not (target.is_partition or target.range is not None or (places is not None and len(places) == 1)):
            self._check_servable(request, container, query)
        page = await self._queries.page(query, where, request.page_items, request.header("x-ms-continuation"))
        answer = _documents(container, page)
        if request.flag("x-ms-documentdb-populatequerymetrics"):
            answer.headers["x-ms-documentdb-query-metrics"] = (
                f"retrievedDocumentCount={page.read_items};retrievedDocumentSize={page.read_bytes};"
                f"outputDocumentCount={len(page.results)}"
            )
        return answer

    def plan(self, request: Request, container: Container) -> Answer:
        """How a client spreads a query over the ranges."""
        query = read_query(request.object())
        _check_order(query, container)
        features = (request.header("x-ms-cosmos-supported-query-features") or "").split(",")
        _, places = narrowed(query, Scope(container))
        size = 16 * (len(container.definition.key_paths) if container.definition.hierarchical else 1)
        bounds = sorted({place[:size].hex().upper() for place in places or ()})
        ranges = [{"min": bound, "max": bound, "isMinInclusive": True, "isMaxInclusive": True} for bound in bounds] or [
            {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}
        ]
        try:
            view = plan(query.select, query.parameters, {one.strip() for one in features}, ranges)
        except UnsupportedFeatureError as error:
            raise bad_request(str(error)) from error
        except QuerySyntaxError as error:
            raise syntax_error(error) from error
        return Answer(200, orjson.dumps(view))

    def _check_servable(self, request: Request, container: Container, query: Query) -> None:
        """Raises CosmosError unless one range after the other gives the answer."""
        if not request.flag("x-ms-documentdb-query-enablecrosspartition"):
            raise bad_request(_DISABLED)
        query.compile()
        if needs_plan(query.select) and len(container.ranges) > 1:
            raise CosmosError(400, _NOT_SERVABLE, sub_status=1004)

    async def _changes(self, request: Request, container: Container) -> Answer:
        if request.header("A-IM") != "Incremental Feed":
            raise CosmosError(501, "The emulator has the change feed of latest versions only.")
        target = _target(request, container)
        if target.range is None:
            raise bad_request("The change feed is read for one partition key range, or for one partition key.")
        changes = await read_changes(
            self._store,
            container,
            target.range.number,
            target.span,
            request.header("If-None-Match"),
            _since(request),
            request.page_items,
        )
        headers = {**session_headers(container, target.range.number, changes.written), "etag": changes.etag}
        if not changes.page.results:
            return Answer(304, b"", headers, charges.query(0, 0))
        answer = _documents(container, changes.page)
        answer.headers.update(headers)
        return answer


def _documents(container: Container, page: Page) -> Answer:
    answer = answer_feed(container.rid, "Documents", page.results, charge=page.charge)
    if page.continuation is not None:
        answer.headers["x-ms-continuation"] = page.continuation
    return answer


def _target(request: Request, container: Container) -> Target:
    """Raises CosmosError."""
    key = request.key
    if key:
        return _of_key(key, container)
    span, named = EVERYTHING, request.header("x-ms-documentdb-partitionkeyrangeid")
    given = None if named is None else _range(named, container)
    if given is not None:
        span = given.span
    low, high = request.header("x-ms-start-epk"), request.header("x-ms-end-epk")
    if low is not None or high is not None:
        span = span.within(Span.of_texts(low or "", high or "FF"))
    return Target(span, given, is_partition=False)


def _of_key(key: Key, container: Container) -> Target:
    """A whole key is one partition; a prefix of a hierarchical one is all that begin with it."""
    paths = len(container.definition.key_paths)
    if len(key) > paths:
        raise CosmosError(400, "The partition key has more values than the container has paths.", sub_status=1001)
    if len(key) == paths:
        place = container.place(key)
        return Target(span_of(place), range_of(place, container.ranges), is_partition=True)
    prefix = effective(key, hierarchical=True)
    first = range_of(prefix, container.ranges)
    span = Span(prefix, prefix + b"\xff")
    return Target(span, first if span.high <= first.span.high else None, is_partition=False)


def _range(named: str, container: Container) -> Range:
    """By its id, which some clients put behind the container's. Raises CosmosError (410) when there is none."""
    number = named.rpartition(",")[2].strip()
    found = next((one for one in container.ranges if str(one.number) == number), None)
    if found is None:
        raise CosmosError(410, f"The requested partition key range {named[:50]!r} does not exist.", sub_status=1002)
    return found


def _since(request: Request) -> float:
    given = request.header("If-Modified-Since")
    if given is None:
        return 0.0
    try:
        return parsedate_to_datetime(given).timestamp()
    except (ValueError, OverflowError) as error:
        raise bad_request("If-Modified-Since must be a date of RFC 1123.") from error


def _check_order(query: Query, container: Container) -> None:
    """Sorting by several properties needs a composite index, as in the service. Raises CosmosError."""
    wanted = [(path_of(one.expression, query.select), one.descending) for one in query.select.order_by]
    if len(wanted) < 2:
        return
    turned = [(path, not descending) for path, descending in wanted]
    if not any(list(index) in (wanted, turned) for index in container.definition.composite):
        raise bad_request(
            "The order by query does not have a corresponding composite index that it can be served from."
        )
