"""Operations on one partition key, written in one transaction.

The counter of the range is taken first and held until the commit. So writes to a range are one after the other, a
version that was checked is still the latest when it is replaced, and the change feed sees numbers in their order.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from emulators.cosmos.catalog import Container
from emulators.cosmos.errors import CosmosError, not_found
from emulators.cosmos.items import Draft, Item, Kind, Operation, Result, expired
from emulators.cosmos.partitions import Key, range_of
from emulators.cosmos.store import Session, Store


class OperationError(Exception):
    """The operation at `index` is refused, and with it all of them."""

    def __init__(self, index: int, cause: CosmosError) -> None:
        super().__init__(str(cause))
        self.index = index
        self.cause = cause


async def write(
    store: Store, container: Container, key: Key, operations: Sequence[Operation]
) -> tuple[list[Result], int, int]:
    """All of them or none: their results, the range's number and its last write. Raises OperationError, CosmosError."""
    where = container.place(key)
    range_number = range_of(where, container.ranges).number
    scope: dict[str, Any] = {"container_id": container.id, "place": where, "range": range_number}
    async with store.transaction() as session:
        writes = sum(operation.kind is not Kind.READ for operation in operations)
        rows = await session.fetch("take_numbers", {**scope, "count": writes})
        if not rows:
            raise not_found("Owner resource does not exist")
        draft = Draft(container, key, range_number, {}, {}, rows[0][0] - writes)
        owned = await _load(session, scope, draft, operations)
        results = _apply(draft, operations)
        await _save(session, scope, draft, owned)
    return results, range_number, rows[0][0]


def _apply(draft: Draft, operations: Sequence[Operation]) -> list[Result]:
    results = []
    for index, operation in enumerate(operations):
        try:
            results.append(draft.apply(operation))
        except CosmosError as error:
            raise OperationError(index, error) from error
    return results


async def _load(
    session: Session, scope: dict[str, Any], draft: Draft, operations: Sequence[Operation]
) -> dict[str, tuple[bytes, ...]]:
    """Fill the draft; returns the unique values of all stored versions, also of those that have expired."""
    default_s = draft.container.definition.ttl_s
    rows = await session.fetch("load_items", {**scope, "ids": [operation.id for operation in operations]})
    owned: dict[str, tuple[bytes, ...]] = {}
    for item_id, number, written_at, ttl_s, etag, unique_keys, body in rows:
        owned[item_id] = tuple(unique_keys)
        if not expired(written_at, ttl_s, default_s, draft.now):
            draft.items[item_id] = Item(item_id, number, 0, written_at, ttl_s, etag, owned[item_id], body)
    if draft.container.definition.unique_keys:
        wanted = [*_wanted(draft, operations), *(digest for digests in owned.values() for digest in digests)]
        for digest, owner, written_at, ttl_s in await session.fetch("load_unique_values", {**scope, "digests": wanted}):
            if not expired(written_at, ttl_s, default_s, draft.now):
                draft.taken[digest] = owner
    return owned


def _wanted(draft: Draft, operations: Sequence[Operation]) -> list[bytes]:
    """Unique values that the operations may want, found by trying them out as if all were free."""
    rehearsal = Draft(draft.container, draft.key, draft.range_number, dict(draft.items), {}, draft.lsn, draft.now)
    found: list[bytes] = []
    for operation in operations:
        with suppress(CosmosError):  # whatever is refused is refused again, and answered, when it is applied
            rehearsal.apply(operation)
        if operation.id in rehearsal.items:
            found += rehearsal.items[operation.id].unique_keys
    return found


async def _save(session: Session, scope: dict[str, Any], draft: Draft, owned: dict[str, tuple[bytes, ...]]) -> None:
    async with session.together():
        for item_id, item in draft.changed.items():
            own: dict[str, Any] = {**scope, "id": item_id}
            if owned.get(item_id):
                await session.send("delete_unique_values", {**own, "digests": list(owned[item_id])})
            if item is None:
                await session.send("delete_item", own)
        for item_id, item in draft.changed.items():
            if item is not None:
                await session.send("put_item", {**scope, **_row(item)})
                if item.unique_keys:
                    digests = list(item.unique_keys)
                    await session.send("put_unique_values", {**scope, "id": item_id, "digests": digests})


def _row(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "number": item.number,
        "lsn": item.lsn,
        "written_at": item.written_at,
        "ttl_s": item.ttl_s,
        "etag": item.etag,
        "unique_keys": list(item.unique_keys),
        "body": item.body,
    }
