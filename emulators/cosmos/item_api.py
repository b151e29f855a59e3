"""Items of one partition key: single operations, batches, and the deletion of all of them."""

import time
from typing import Any

import orjson

from emulators.cosmos import charges
from emulators.cosmos.catalog import Container
from emulators.cosmos.documents import check_id, read_json
from emulators.cosmos.errors import CosmosError, bad_request, not_found
from emulators.cosmos.exchange import Answer, Request, session_headers
from emulators.cosmos.items import Kind, Operation, Result
from emulators.cosmos.limits import MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS
from emulators.cosmos.partitions import Key, range_of
from emulators.cosmos.patches import read_patch
from emulators.cosmos.store import Store
from emulators.cosmos.values import Value
from emulators.cosmos.writing import OperationError, write

_BY_METHOD = {"PUT": Kind.REPLACE, "DELETE": Kind.DELETE, "PATCH": Kind.PATCH}
_MULTI_STATUS = 207
_NOT_DONE = 424


def whole_key(request: Request, container: Container) -> Key:
    """The partition key of an operation on items. Raises CosmosError."""
    key = request.key
    if key is None:
        raise bad_request("PartitionKey value must be supplied for this operation.")
    if len(key) != len(container.definition.key_paths):
        raise CosmosError(
            400, "The partition key has another number of values than the container has paths.", sub_status=1001
        )
    return key


class ItemApi:
    """Reads and writes items."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, request: Request, container: Container, item_id: str) -> Answer:
        """One item. Raises CosmosError (404, and 1002 for a session that has seen more than there is)."""
        where = container.place(whole_key(request, container))
        range_number = range_of(where, container.ranges).number
        rows = await self._store.fetch(
            "read_item",
            {
                "container_id": container.id,
                "range": range_number,
                "place": where,
                "id": item_id,
                "ttl_s": container.definition.ttl_s,
                "now": time.time(),
            },
        )
        if not rows:
            raise not_found("Owner resource does not exist")
        [(lsn, body, etag)] = rows
        headers = session_headers(container, range_number, lsn)
        _check_session(request, range_number, lsn)
        if body is None:
            raise CosmosError(404, str(not_found()), headers=headers)
        if request.header("If-None-Match") in ("*", etag):
            return Answer(304, b"", {**headers, "etag": etag}, charges.read(0))
        return Answer(200, body, {**headers, "etag": etag}, charges.read(len(body)))

    async def create(self, request: Request, container: Container) -> Answer:
        """Create, or with the header `x-ms-documentdb-is-upsert` create or replace."""
        document = request.object()
        kind = Kind.UPSERT if request.flag("x-ms-documentdb-is-upsert") else Kind.CREATE
        operation = Operation(
            kind,
            check_id(document.get("id")),
            document,
            if_match=request.header("If-Match"),
            if_none_match=request.header("If-None-Match"),
        )
        return await self._write(request, container, operation)

    async def change(self, request: Request, container: Container, item_id: str) -> Answer:
        """Replace, patch or delete."""
        kind = _BY_METHOD.get(request.method)
        if kind is None:
            raise bad_request(f"The resource does not take {request.method}.")
        operation = Operation(
            kind,
            item_id,
            request.object() if kind is Kind.REPLACE else None,
            read_patch(request.object(), container.definition.key_paths) if kind is Kind.PATCH else None,
            if_match=request.header("If-Match"),
        )
        return await self._write(request, container, operation)

    async def _write(self, request: Request, container: Container, operation: Operation) -> Answer:
        key = whole_key(request, container)
        try:
            [result], range_number, lsn = await write(self._store, container, key, [operation])
        except OperationError as error:
            raise error.cause from error
        headers = session_headers(container, range_number, lsn)
        if result.etag is not None:
            headers["etag"] = result.etag
        minimal = (request.header("Prefer") or "").lower() == "return=minimal"
        body = b"" if minimal or result.body is None else result.body
        return Answer(result.status, body, headers, result.charge)

    async def batch(self, request: Request, container: Container) -> Answer:
        """All operations or none; what failed has its status, and everything else 424."""
        if not request.flag("x-ms-cosmos-batch-atomic"):
            raise CosmosError(501, "The emulator runs atomic batches only.")
        if len(request.body) > MAX_BATCH_BYTES:
            raise CosmosError(413, f"Request size is too large: a batch has at most {MAX_BATCH_BYTES} bytes.")
        given = read_json(request.body)
        if not isinstance(given, list) or not 1 <= len(given) <= MAX_BATCH_OPERATIONS:
            raise bad_request(f"Batch request has 1 to {MAX_BATCH_OPERATIONS} operations.")
        operations = [_operation(one, container) for one in given]
        key = whole_key(request, container)
        try:
            results, range_number, lsn = await write(self._store, container, key, operations)
        except OperationError as error:
            return Answer(_MULTI_STATUS, orjson.dumps(_refused(error, len(operations))), {}, len(operations))
        views = [_result(result) for result in results]
        charge = sum(result.charge for result in results)
        return Answer(200, b"[" + b",".join(views) + b"]", session_headers(container, range_number, lsn), charge)

    async def delete_partition(self, request: Request, container: Container) -> Answer:
        """All items of a partition key."""
        where = container.place(whole_key(request, container))
        range_number = range_of(where, container.ranges).number
        scope = {"container_id": container.id, "place": where, "range": range_number}
        async with self._store.transaction() as session:
            [(lsn,)] = await session.fetch("take_numbers", {**scope, "count": 1})
            await session.fetch("delete_partition", scope)
        return Answer(200, b"", session_headers(container, range_number, lsn))


def _check_session(request: Request, range_number: int, lsn: int) -> None:
    """A token of another incarnation of the container may name a write that is not here."""
    for token in (request.header("x-ms-session-token") or "").split(","):
        number, _, seen = token.rpartition("#")
        if number.partition(":")[0] == str(range_number) and seen.isdigit() and int(seen[:18]) > lsn:
            raise CosmosError(404, "The read session is not available for the input session token.", sub_status=1002)


def _operation(given: Value, container: Container) -> Operation:
    """One operation of a batch. Raises CosmosError."""
    if not isinstance(given, dict):
        raise bad_request("An operation of a batch must be a JSON object.")
    try:
        kind = Kind(given.get("operationType"))
    except ValueError as error:
        raise bad_request("An operation of a batch has an unknown operationType.") from error
    body = given.get("resourceBody")
    writes_document = kind in (Kind.CREATE, Kind.UPSERT, Kind.REPLACE)
    if writes_document and not isinstance(body, dict):
        raise bad_request("An operation of a batch that writes an item needs a resourceBody.")
    named = body.get("id") if isinstance(body, dict) and kind in (Kind.CREATE, Kind.UPSERT) else given.get("id")
    conditions: dict[str, Any] = {"if_match": given.get("ifMatch"), "if_none_match": given.get("ifNoneMatch")}
    if not all(isinstance(one, str | None) for one in conditions.values()):
        raise bad_request("ifMatch and ifNoneMatch must be strings.")
    return Operation(
        kind,
        check_id(named),
        body if writes_document else None,
        read_patch(body, container.definition.key_paths) if kind is Kind.PATCH else None,
        **conditions,
    )


def _result(result: Result) -> bytes:
    """The item is JSON already."""
    view: dict[str, Any] = {"statusCode": result.status, "requestCharge": result.charge}
    if result.etag is not None:
        view["eTag"] = result.etag
    head = orjson.dumps(view)
    return head if result.body is None else head[:-1] + b',"resourceBody":' + result.body + b"}"


def _refused(error: OperationError, count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"statusCode": _NOT_DONE, "requestCharge": 0} for _ in range(count)]
    failed = rows[error.index]
    failed["statusCode"] = error.cause.status
    failed["message"] = error.cause.message
    if error.cause.sub_status:
        failed["subStatusCode"] = error.cause.sub_status
    return rows
