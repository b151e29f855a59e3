"""Event hubs: partitions as append-only streams of blocks, and who reads them.

Rules:
- Events are numbered when they arrive and become visible when their group has committed, in that order.
- The newest blocks stay in memory, so that readers at the end are pushed what they get; others read the database.
- Nothing is settled or removed by readers; retention trims the beginning.
"""

import asyncio
import time
from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import Any, Protocol

import psycopg
import structlog

from emulators.messaging.entities import EventHubConfig
from emulators.messaging.errors import AmqpError, Condition, StoreUnavailableError
from emulators.messaging.event_blocks import EventBatch, EventBlock
from emulators.messaging.event_positions import Position, Unit
from emulators.messaging.partition_keys import partition_of
from emulators.messaging.store import Store

_log = structlog.get_logger(__name__)
_READ_BYTES = 1 << 20
_MAX_READERS = 5
DEFAULT_GROUP = "$Default"


class Reader(Protocol):
    """A receiver of one partition."""

    @property
    def epoch(self) -> int | None:
        """The owner level; None shares the partition."""

    def on_events(self) -> None:
        """More events are visible."""

    def close(self, error: AmqpError) -> None:
        """Detach it."""


class TailCache:
    """Keeps the newest blocks of all partitions within a number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._free = limit_bytes
        self._order: deque[tuple[EventPartition, EventBlock]] = deque()

    def keep(self, partition: "EventPartition", block: EventBlock) -> None:
        partition.tail.append(block)
        self._order.append((partition, block))
        self._free -= len(block.data)
        while self._free < 0:
            oldest, dropped = self._order.popleft()
            self._free += len(dropped.data)
            if oldest.tail and oldest.tail[0] is dropped:
                oldest.tail.popleft()


class EventPartition:
    """One partition; `visible` is the sequence number after the last committed event."""

    def __init__(self, hub: str, number: int, store: Store, cache: TailCache) -> None:
        self.number = number
        self.tail: deque[EventBlock] = deque()
        self.visible = 0
        self.visible_offset = 0
        self.begin = 0
        self.last_offset = -1
        self.last_enqueued_ms = 0
        self.created_ms = 0
        self._hub = hub
        self._store = store
        self._cache = cache
        self._id = 0
        self._next_sequence = 0
        self._next_offset = 0
        self._readers: dict[str, list[Reader]] = {}

    async def open(self) -> None:
        """Take up where the database ends."""
        [row] = await self._store.fetch("declare_partition", (self._hub, self.number))
        self._id, self._next_sequence, self._next_offset, self.begin, self.last_enqueued_ms, self.created_ms = row
        self.visible, self.visible_offset = self._next_sequence, self._next_offset
        if self.visible > self.begin:
            [last] = await self._blocks("block_before_offset", (self._id, self._next_offset))
            self.last_offset = last.first_offset + last.starts[-1]

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(self, batch: EventBatch) -> None:
        """Number the events and hand them to the store. Raises StoreUnavailableError."""
        self._store.check_accepting()
        block = EventBlock(
            self._id,
            self._next_sequence,
            len(batch.records),
            self._next_offset,
            max(int(time.time() * 1000), self.last_enqueued_ms),
            b"".join(batch.records),
        )
        self._next_sequence, self._next_offset = block.next_sequence, block.next_offset
        self.last_enqueued_ms = block.enqueued_ms
        self._store.write().append(block)
        self._store.when_committed(lambda: self._show(block))

    def _show(self, block: EventBlock) -> None:
        self.visible, self.visible_offset = block.next_sequence, block.next_offset
        self.last_offset = block.first_offset + block.starts[-1]
        self._cache.keep(self, block)
        for readers in list(self._readers.values()):
            for reader in list(readers):
                reader.on_events()

    async def trim(self, before_ms: int) -> None:
        """Drop blocks that were enqueued before a time. Raises StoreUnavailableError."""
        begin = await self._sequence_since(before_ms)
        if begin <= self.begin:
            return
        self.begin = begin
        while self.tail and self.tail[0].next_sequence <= begin:
            self.tail.popleft()
        self._store.write().trim(self._id, begin)

    # --- reading ----------------------------------------------------------------------------------------------------

    def in_memory(self, sequence: int) -> EventBlock | None:
        """The block of a visible event, if memory has it."""
        if not self.tail or sequence < self.tail[0].first_sequence:
            return None
        if sequence >= self.tail[-1].first_sequence:
            return self.tail[-1]
        return self.tail[bisect_right(self.tail, sequence, key=attrgetter("first_sequence")) - 1]

    async def read(self, sequence: int) -> list[EventBlock]:
        """Blocks from the one that holds `sequence` on, about a megabyte of them. Raises StoreUnavailableError."""
        wanted: dict[str, object] = {"partition": self._id, "sequence": sequence, "bytes": _READ_BYTES}
        blocks = await self._blocks("load_event_blocks", wanted)
        return [block for block in blocks if block.next_sequence > sequence and block.next_sequence <= self.visible]

    async def sequence_at(self, position: Position) -> int:
        """The first event that a reader from `position` gets. Raises AmqpError."""
        if position.value is None:
            return self.visible
        if position.value < 0:
            return self.begin
        match position.unit:
            case Unit.TIME_MS:
                return await self._sequence_since(position.value + (not position.inclusive))
            case Unit.SEQUENCE:
                self._check_known(position.value, self.visible - 1, "sequence number")
                return max(self.begin, position.value + (not position.inclusive))
            case Unit.OFFSET:
                self._check_known(position.value, self.visible_offset, "offset")
                return await self._sequence_from_offset(position.value, inclusive=position.inclusive)

    def _check_known(self, value: int, last: int, what: str) -> None:
        if value > last:
            raise AmqpError(
                Condition.ARGUMENT_ERROR,
                f"The supplied {what} '{value}' is invalid. The last {what} in the system is '{last}'.",
            )

    async def _sequence_from_offset(self, offset: int, *, inclusive: bool) -> int:
        blocks = await self._blocks("block_before_offset", (self._id, offset))
        if not blocks:
            return self.begin
        return max(self.begin, blocks[0].sequence_from_offset(offset, inclusive=inclusive))

    async def _sequence_since(self, time_ms: int) -> int:
        # What becomes visible while the database is asked is newer than what it answers.
        visible = self.visible
        rows = await self._fetch("sequence_since", (self._id, time_ms))
        return max(self.begin, int(rows[0][0])) if rows else visible

    async def _blocks(self, query: str, parameters: tuple[object, ...] | dict[str, object]) -> list[EventBlock]:
        return [EventBlock(self._id, *row) for row in await self._fetch(query, parameters)]

    async def _fetch(self, query: str, parameters: tuple[object, ...] | dict[str, object]) -> list[tuple[Any, ...]]:
        try:
            return await self._store.fetch(query, parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            raise StoreUnavailableError from error

    # --- readers ----------------------------------------------------------------------------------------------------

    @property
    def readers(self) -> list[Reader]:
        """The readers of all consumer groups."""
        return [reader for readers in self._readers.values() for reader in readers]

    def join(self, group: str, reader: Reader) -> None:
        """Let a reader in, or raise AmqpError (link:stolen, resource-limit-exceeded).

        One with an epoch replaces all that have none or none higher
        (https://learn.microsoft.com/azure/event-hubs/event-hubs-event-processor-host#epoch).
        """
        readers = self._readers.setdefault(group, [])
        highest = max((other.epoch for other in readers if other.epoch is not None), default=None)
        if highest is not None and (reader.epoch is None or reader.epoch < highest):
            raise AmqpError(
                Condition.LINK_STOLEN,
                f"At least one receiver for the endpoint is created with epoch of '{highest}', and so a receiver "
                "without epoch or with a lower one is not allowed.",
            )
        if reader.epoch is not None:
            self._replace(list(readers), reader.epoch)
        elif len(readers) >= _MAX_READERS:
            raise AmqpError(
                Condition.RESOURCE_LIMIT,
                "Exceeded the maximum number of allowed receivers per partition in a consumer group which is "
                f"{_MAX_READERS}.",
            )
        self._readers[group].append(reader)

    def _replace(self, readers: list[Reader], epoch: int) -> None:
        for other in readers:
            other.close(
                AmqpError(
                    Condition.LINK_STOLEN,
                    f"New receiver with higher epoch of '{epoch}' is created hence current receiver with epoch "
                    f"'{other.epoch}' is getting disconnected.",
                )
            )

    def leave(self, group: str, reader: Reader) -> None:
        readers = self._readers.get(group, [])
        if reader in readers:
            readers.remove(reader)


class EventHub:
    """One hub: its partitions and consumer groups."""

    def __init__(self, config: EventHubConfig, store: Store, cache: TailCache) -> None:
        self.config = config
        name = config.name.lower()
        self.partitions = [EventPartition(name, number, store, cache) for number in range(config.partition_count)]
        self._groups = {group.name.lower() for group in config.consumer_groups} | {DEFAULT_GROUP.lower()}
        self._turn = 0

    async def open(self) -> None:
        for partition in self.partitions:
            await partition.open()

    def append(self, batch: EventBatch, key: str | None) -> None:
        """Append to the key's partition, or to each in turn. Raises StoreUnavailableError."""
        if key is None:
            self._turn = (self._turn + 1) % len(self.partitions)
        number = self._turn if key is None else partition_of(key, len(self.partitions))
        self.partitions[number].append(batch)

    def partition(self, number: str) -> EventPartition:
        """Raises AmqpError (argument-out-of-range)."""
        if number.isdecimal() and len(number) < 4 and int(number) < len(self.partitions):
            return self.partitions[int(number)]
        raise AmqpError(
            Condition.OUT_OF_RANGE,
            f"The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 "
            f"and {len(self.partitions) - 1}.",
        )

    def check_group(self, name: str) -> None:
        """Raises AmqpError (not-found)."""
        if name.lower() not in self._groups:
            raise AmqpError(
                Condition.NOT_FOUND,
                f"The messaging entity '{self.config.name}/ConsumerGroups/{name}' could not be found.",
            )

    async def trim_forever(self, interval_s: float) -> None:
        """Drop what is older than the retention, now and then."""
        while True:
            before_ms = int((time.time() - self.config.retention.total_seconds()) * 1000)
            for partition in self.partitions:
                try:
                    await partition.trim(before_ms)
                except StoreUnavailableError as error:
                    _log.warning("Old events could not be dropped", hub=self.config.name, error=str(error))
            await asyncio.sleep(interval_s)
