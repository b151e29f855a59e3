"""Which documents a feed ranges over, and how they are read: page by page, in the order of their places."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from emulators.cosmos.catalog import Container
from emulators.cosmos.limits import MAX_RESPONSE_BYTES
from emulators.cosmos.partitions import EVERYTHING, Span
from emulators.cosmos.store import Store

_CHUNK_ITEMS = 200
_CHUNK_BYTES = MAX_RESPONSE_BYTES

type Position = tuple[bytes, int]
"""The place and the number of the last document that was read."""
START: Position = (b"", -1)


@dataclass(frozen=True, slots=True)
class Scope:
    """Documents between two places; a filter may name `points` (place and id) one by one, or bounds of their ids."""

    container: Container
    span: Span = EVERYTHING
    points: tuple[tuple[bytes, str], ...] | None = None
    ids: tuple[str, str] | None = None

    @property
    def place(self) -> bytes | None:
        """The only place, if there is one."""
        return self.span.low if self.span.high == self.span.low + b"\0" else None

    @property
    def identity(self) -> bytes:
        """The same for the same documents, in continuation tokens."""
        return b"%d %s %s" % (self.container.id, self.span.low.hex().encode(), self.span.high.hex().encode())


def span_of(place: bytes) -> Span:
    """Exactly one place."""
    return Span(place, place + b"\0")


@dataclass(frozen=True, slots=True)
class Found:
    """A document as it is stored, and where it lies."""

    position: Position
    body: bytes


async def read(store: Store, scope: Scope, after: Position) -> AsyncIterator[Sequence[Found]]:
    """Chunks of documents behind a position, each a statement of its own. Raises CosmosError (503)."""
    now = time.time()
    while True:
        found, exhausted = await _chunk(store, scope, after, now)
        if found:
            yield found
            after = found[-1].position
        if exhausted:
            return


async def _chunk(store: Store, scope: Scope, after: Position, now: float) -> tuple[list[Found], bool]:
    parameters = {
        "container_id": scope.container.id,
        "after_place": after[0],
        "after_number": after[1],
        "ttl_s": scope.container.definition.ttl_s,
        "now": now,
        "most": _CHUNK_ITEMS,
        "bytes": _CHUNK_BYTES,
    }
    span = scope.span
    if scope.ids is not None:
        first, last = scope.ids
        rows = await store.fetch("scan_ids", {**parameters, "place": span.low, "first_id": first, "last_id": last})
    elif scope.points is None:
        rows = await store.fetch("scan", {**parameters, "low": span.low, "high": span.high})
    else:
        wanted = [point for point in scope.points if span.low <= point[0] < span.high]
        places, ids = [place for place, _ in wanted], [item_id for _, item_id in wanted]
        rows = await store.fetch("read_points", {**parameters, "places": places, "ids": ids})
    exhausted = not rows or len(rows) == rows[0][3] < _CHUNK_ITEMS
    return [Found((row[0], row[1]), row[2]) for row in rows], exhausted
