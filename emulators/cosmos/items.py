"""What operations make of the items of one partition key: no input or output, so a batch is worked out before it is
written, and an operation that fails leaves nothing behind.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import orjson

from emulators.cosmos import charges
from emulators.cosmos.catalog import Container, check_match
from emulators.cosmos.documents import Document, at, check_item, key_of, stored
from emulators.cosmos.errors import CosmosError, bad_request, conflict, not_found, precondition_failed
from emulators.cosmos.partitions import Key
from emulators.cosmos.patches import Patch, apply_patch
from emulators.cosmos.resources import item_rid
from emulators.cosmos.values import UNDEFINED

_RANGE_BITS = 48


class Kind(Enum):
    """Operations by the names that batches give them."""

    CREATE = "Create"
    UPSERT = "Upsert"
    REPLACE = "Replace"
    READ = "Read"
    DELETE = "Delete"
    PATCH = "Patch"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on an item: `document` for what writes a whole one, `patch` for a partial update."""

    kind: Kind
    id: str
    document: Document | None = None
    patch: Patch | None = None
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation gives."""

    status: int
    charge: float
    etag: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is stored; `number` says when it was created, `lsn` when it was written last."""

    id: str
    number: int
    lsn: int
    written_at: float
    ttl_s: int | None
    etag: str
    unique_keys: tuple[bytes, ...]
    body: bytes


def expired(written_at: float, ttl_s: int | None, default_s: int | None, now: float) -> bool:
    """Whether an item is gone: its own time to live counts only where the container has one."""
    lifetime_s = default_s if ttl_s is None else ttl_s
    return default_s is not None and lifetime_s is not None and lifetime_s > 0 and written_at + lifetime_s <= now


def unique_digests(document: Document, container: Container) -> tuple[bytes, ...]:
    """One digest for each unique key of the container; a property that is missing counts as null."""
    digests = []
    for place, paths in enumerate(container.definition.unique_keys):
        values = [None if (value := at(document, path)) is UNDEFINED else value for path in paths]
        digests.append(hashlib.sha256(orjson.dumps([place, values], option=orjson.OPT_SORT_KEYS)).digest()[:16])
    return tuple(digests)


@dataclass(slots=True)
class Draft:
    """The items of one partition key while operations are worked out.

    `items` are those that the operations name, `taken` are the owners of unique values that they want; `lsn` is the
    number of the last write of the range.
    """

    container: Container
    key: Key
    range_number: int
    items: dict[str, Item]
    taken: dict[bytes, str]
    lsn: int
    now: float = field(default_factory=time.time)
    changed: dict[str, Item | None] = field(default_factory=dict)

    def apply(self, operation: Operation) -> Result:
        """Raises CosmosError."""
        return _APPLY[operation.kind](self, operation)

    def read(self, operation: Operation) -> Result:
        item = self._present(operation.id)
        if operation.if_none_match in ("*", item.etag):
            return Result(304, charges.read(0), item.etag)
        return Result(200, charges.read(len(item.body)), item.etag, item.body)

    def create(self, operation: Operation) -> Result:
        if operation.id in self.items:
            raise conflict()
        return self._write(operation.id, _document(operation), 201)

    def upsert(self, operation: Operation) -> Result:
        present = self.items.get(operation.id)
        if present is None:
            return self._write(operation.id, _document(operation), 201)
        check_match(operation.if_match, present.etag)
        if operation.if_none_match in ("*", present.etag):
            raise precondition_failed()
        return self._write(operation.id, _document(operation), 200)

    def replace(self, operation: Operation) -> Result:
        present = self._present(operation.id)
        check_match(operation.if_match, present.etag)
        return self._write(operation.id, _document(operation), 200)

    def patch(self, operation: Operation) -> Result:
        present = self._present(operation.id)
        check_match(operation.if_match, present.etag)
        assert operation.patch is not None
        document: Document = orjson.loads(present.body)
        return self._write(operation.id, apply_patch(operation.patch, document), 200)

    def delete(self, operation: Operation) -> Result:
        present = self._present(operation.id)
        check_match(operation.if_match, present.etag)
        del self.items[operation.id]
        self._free(present)
        self.changed[operation.id] = None
        return Result(204, charges.write(len(present.body)))

    def _present(self, item_id: str) -> Item:
        found = self.items.get(item_id)
        if found is None:
            raise not_found()
        return found

    def _write(self, item_id: str, document: Document, status: int) -> Result:
        if check_item(document) != item_id:
            raise bad_request("The id of an item cannot be changed.")
        if key_of(document, self.container.definition.key_paths) != self.key:
            raise CosmosError(
                400,
                "PartitionKey extracted from document doesn't match the one specified in the header.",
                sub_status=1001,
            )
        present = self.items.get(item_id)
        digests = self._claim(item_id, document, present)
        self.lsn += 1
        number = self.lsn if present is None else present.number
        etag, body = self._stored(document, number)
        ttl = document.get("ttl")
        item = Item(item_id, number, self.lsn, self.now, ttl, etag, digests, body)
        self.items[item_id] = self.changed[item_id] = item
        return Result(status, charges.write(len(body)), etag, body)

    def _stored(self, document: Document, number: int) -> tuple[str, bytes]:
        container, timestamp = self.container, int(self.now)
        rid = item_rid(container.database_id, container.id, self.range_number << _RANGE_BITS | number)
        etag = f'"{self.lsn:08x}-{self.range_number:04x}-{container.id:04x}-0000-{timestamp:08x}0000"'
        system = {
            "_rid": rid,
            "_self": f"{container.link}docs/{rid}/",
            "_etag": etag,
            "_attachments": "attachments/",
            "_ts": timestamp,
        }
        return etag, stored(document, system)

    def _claim(self, item_id: str, document: Document, present: Item | None) -> tuple[bytes, ...]:
        """Take the unique values of the new version. Raises CosmosError (409)."""
        digests = unique_digests(document, self.container)
        if any(self.taken.get(digest, item_id) != item_id for digest in digests):
            raise conflict("Unique index constraint violation.")
        if present is not None:
            self._free(present)
        self.taken.update(dict.fromkeys(digests, item_id))
        return digests

    def _free(self, item: Item) -> None:
        for digest in item.unique_keys:
            self.taken.pop(digest, None)


def _document(operation: Operation) -> Document:
    assert operation.document is not None
    return operation.document


_APPLY: Mapping[Kind, Callable[[Draft, Operation], Result]] = {
    Kind.CREATE: Draft.create,
    Kind.UPSERT: Draft.upsert,
    Kind.REPLACE: Draft.replace,
    Kind.READ: Draft.read,
    Kind.DELETE: Draft.delete,
    Kind.PATCH: Draft.patch,
}
