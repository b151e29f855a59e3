"""Sends archived reports to the broker, in journal order, at least once.

Reports that were just archived are taken from memory. After a restart, when too many wait, or when older reports
are requested again, they are read from the archive. One position marks what has gone out, written after the bus
has accepted it: a crash in between sends the same reports, with the same ExecIDs, again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog
from psycopg import AsyncConnection, OperationalError

from simulators.backoff import Backoff
from simulators.exchange.faults import Faults
from simulators.exchange.inbox import Transport
from simulators.exchange.store import Archive, Outgoing

_MESSAGE_REPORTS = 200
_ROUND_REPORTS = 4000
_PAGE_POSITIONS = 500
_log = structlog.get_logger(__name__)


class Outbox:
    """Positions up to `taken` have been sent; those up to `offered` are in the archive."""

    def __init__(self, dsn: str, transport: Transport, faults: Faults, capacity: int = 20_000) -> None:
        self.offered = 0
        self.taken = 0
        self._dsn = dsn
        self._transport = transport
        self._faults = faults
        self._capacity = capacity
        self._queue: deque[Outgoing] = deque()
        self._queued = 0
        self._spilled = False
        self._offer = asyncio.Event()
        self._idle = asyncio.Event()

    def offer(self, until: int, outgoing: Sequence[Outgoing], *, complete: bool) -> None:
        """Everything up to `until` is archived; `outgoing` is all of it that is new, if `complete`."""
        self.offered = until
        self._idle.clear()
        size = sum(len(item.bodies) for item in outgoing)
        self._spilled = self._spilled or not complete or self._queued + size > self._capacity
        if not self._spilled:
            self._queue.extend(outgoing)
            self._queued += size
        self._offer.set()

    def read_from_archive(self) -> None:
        """Read the next reports from the archive: it may have positions that were never offered."""
        self._spilled = True

    async def until_idle(self) -> None:
        """Return once everything offered has gone out."""
        await self._idle.wait()

    @property
    def backlog(self) -> int:
        """Journal positions whose reports have not gone out."""
        return self.offered - self.taken

    async def run(self) -> None:
        """Send until cancelled; retries while PostgreSQL is unavailable."""
        backoff = Backoff()
        while True:
            try:
                connection = await AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=5)
                async with connection:
                    archive = Archive(connection)
                    self.taken = max(self.taken, await archive.sent())
                    backoff.reset()
                    await self._send_all(archive)
            except OperationalError as error:
                _log.warning("outbox_database_away", error=str(error).strip())
                await backoff.wait()

    async def _send_all(self, archive: Archive) -> None:
        while True:
            while self.taken >= self.offered:
                self._idle.set()
                self._offer.clear()
                await self._offer.wait()
            await self._faults.until_not_silent()
            until, bodies = self._from_memory() if self._queue or not self._spilled else await self._page(archive)
            await self._send(bodies)
            self.taken = until
            await archive.mark_sent(until)

    def _from_memory(self) -> tuple[int, list[bytes]]:
        """What waits, and the position it reaches."""
        bodies: list[bytes] = []
        until = self.taken
        while self._queue and len(bodies) < _ROUND_REPORTS:
            item = self._queue.popleft()
            until = item.position
            bodies += item.bodies
        self._queued -= len(bodies)
        # Positions without reports count as sent once nothing before them waits.
        return (until if self._queue or self._spilled else self.offered), bodies

    async def _page(self, archive: Archive) -> tuple[int, list[bytes]]:
        until = min(self.taken + _PAGE_POSITIONS, self.offered)
        page = await archive.unsent(self.taken, until)
        # An offer during the query is past `until`, so the archive stays the source for it.
        self._spilled = until < self.offered
        return until, [body for item in page for body in item.bodies]

    async def _send(self, bodies: list[bytes]) -> None:
        if delay_ms := self._faults.settings.slow_ms:
            await asyncio.sleep(delay_ms / 1000)
        groups = self._faults.groups(bodies, _MESSAGE_REPORTS)
        if groups:
            await self._transport.send([_document(group) for group in groups])


def _document(bodies: list[bytes]) -> bytes:
    return b'{"version":1,"reports":[' + b",".join(bodies) + b"]}"
