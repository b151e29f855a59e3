"""Brings messages from the inbox table to the instances of this worker's partitions.

Purpose: no message is missed, none is delivered twice, and no sweep reads what is already known.
Rules:
- A sweep reads in order of (sending transaction, position). Transactions commit out of order, so the next
  sweep starts again at the horizon of the last one: below it everything was visible.
- A message is `known` from its delivery until its row is deleted; one deleted while a sweep was reading
  is remembered until that sweep ends, because the sweep may still bring it.
- Messages of one sender arrive in the order in which they were sent: a message is delivered past the table
  only while the table holds no older one.
- At most about `_MOST_KNOWN` messages or `_MOST_WEIGHT` are in memory; the others wait in the table, but for
  suspensions, resumptions and terminations, without which an instance might never let its messages go.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Sequence

from emulators.durable.history import event_from_json
from emulators.durable.records import Incoming
from emulators.durable.store import ArrivalRow, Store

_PAGE = 500
_PAGE_BYTES = 8 * 1024 * 1024
_MOST_KNOWN = 20_000
_MOST_WEIGHT = 64 * 1024 * 1024
_SWEEP_S = 5.0
_BEGINNING = ("0", 0)


class Mailbox:
    """Calls `deliver(instance_id, incoming)` for each message once."""

    def __init__(self, store: Store, partitions: Sequence[int], deliver: Callable[[str, Incoming], None]) -> None:
        self._store = store
        self._owned = list(partitions)
        self._deliver = deliver
        self._known: dict[uuid.UUID, int] = {}
        self._weight = 0
        self._urgent_at = 0.0
        self._deleted_meanwhile: set[uuid.UUID] = set()
        self._floor = _BEGINNING
        self._reserved: set[uuid.UUID] = set()
        self._behind = True
        self._missed = False
        self._wanted = asyncio.Event()
        self._wanted.set()

    def wake(self) -> None:
        """Something arrived."""
        self._wanted.set()

    def reserve(self, letters: Iterable[Incoming]) -> None:
        """These are about to be committed by this process, which delivers them itself: before the commit,
        because a sweep may see the row before its writer learns that it is committed. While older
        messages wait in the table nothing is reserved, so that no message overtakes them.
        """
        if self._full():
            self._behind = True
        if not self._behind:
            for incoming in letters:
                self._reserved.add(self._know(incoming))

    def claim(self, message: uuid.UUID) -> bool:
        """True if the message was reserved and is now for the caller to deliver; otherwise a sweep brings it."""
        if message in self._reserved:
            self._reserved.discard(message)
            return True
        self._must_sweep()
        return False

    def release(self, messages: Iterable[uuid.UUID]) -> None:
        """Whether these were committed is unknown: read from the beginning again, and deliver them if so."""
        self._unknow(messages)
        self._floor = _BEGINNING
        self._must_sweep()

    def forget(self, messages: Iterable[uuid.UUID]) -> None:
        """The rows of these messages are deleted."""
        self._deleted_meanwhile |= self._unknow(messages)
        if self._behind and self._full_by() < 1 / 2:
            self._wanted.set()

    def _know(self, incoming: Incoming) -> uuid.UUID:
        assert incoming.message is not None
        weight = incoming.event.weight
        self._weight += weight - self._known.get(incoming.message, 0)
        self._known[incoming.message] = weight
        return incoming.message

    def _unknow(self, messages: Iterable[uuid.UUID]) -> set[uuid.UUID]:
        gone = set(messages)
        self._weight -= sum(self._known.pop(message, 0) for message in gone)
        self._reserved -= gone
        return gone

    def _full(self) -> bool:
        return self._full_by() >= 1

    def _full_by(self) -> float:
        return max(len(self._known) / _MOST_KNOWN, self._weight / _MOST_WEIGHT)

    def _must_sweep(self) -> None:
        """The table holds what only a sweep that begins from now on is sure to see."""
        self._behind = self._missed = True
        self._wanted.set()

    async def run(self) -> None:
        """Sweep whenever woken, and now and then in case a wake-up was lost with its sender."""
        while True:
            try:
                async with asyncio.timeout(_SWEEP_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass  # the safety net: sweep without having been woken
            self._wanted.clear()
            await self._sweep()

    async def _sweep(self) -> None:
        cursor, horizon = self._floor, None
        began_at = self._floor
        self._missed = False
        while not self._full():
            self._deleted_meanwhile.clear()
            page = await self._page(cursor)
            self._take(page)
            if page and horizon is None:
                horizon = page[0].horizon
            if not page or len(page) == page[0].available < _PAGE:
                self._behind = self._missed
                if horizon is not None and self._floor == began_at:
                    self._floor = (horizon, -1)
                return
            cursor = (page[-1].sent_by, page[-1].position)
        self._behind = True
        if time.monotonic() - self._urgent_at >= _SWEEP_S:
            self._urgent_at = time.monotonic()
            self._take(await self._store.records(ArrivalRow, "urgent_arrivals", partitions=self._owned, limit=_PAGE))

    async def _page(self, cursor: tuple[str, int]) -> list[ArrivalRow]:
        sent_by, position = cursor
        return await self._store.records(
            ArrivalRow,
            "arrivals",
            partitions=self._owned,
            sent_by=sent_by,
            position=position,
            limit=_PAGE,
            most_bytes=_PAGE_BYTES,
        )

    def _take(self, page: Iterable[ArrivalRow]) -> None:
        for row in page:
            if row.message in self._known or row.message in self._deleted_meanwhile:
                continue
            execution_id = str(row.execution_id) if row.execution_id is not None else None
            incarnation = str(row.incarnation) if row.incarnation is not None else None
            incoming = Incoming(event_from_json(row.event), execution_id, row.message, incarnation)
            self._know(incoming)
            self._deliver(row.instance_id, incoming)
