"""Links to event hubs: senders at `{hub}[/Partitions/{n}]`, receivers at `{hub}/ConsumerGroups/{g}/Partitions/{n}`."""

import asyncio
import time
from collections import deque

import structlog

from emulators.messaging.codec import Symbol
from emulators.messaging.errors import AmqpError, Condition, report_failed_read
from emulators.messaging.event_blocks import MAX_EVENT_BYTES, EventBlock, last_enqueued, read_events
from emulators.messaging.event_hubs import EventHub, EventPartition
from emulators.messaging.event_positions import SELECTOR, read_position, written
from emulators.messaging.nodes import Settle, SinkLink, Source, SourceLink
from emulators.messaging.performatives import ACCEPTED, Outcome
from emulators.messaging.queue_node import settle_after_commit
from emulators.messaging.store import Store

_log = structlog.get_logger(__name__)
_EPOCH = Symbol("com.microsoft:epoch")
_RUNTIME_METRIC = Symbol("com.microsoft:enable-receiver-runtime-metric")
_UNSETTLED_MODE = 0
_TURN_BYTES = 512 * 1024
_RETRY_S = 1.0


class EventHubNode:
    """The node of one address below a hub; `path` is what follows the hub's name."""

    def __init__(self, store: Store, hub: EventHub, path: list[str]) -> None:
        self._store = store
        self._hub = hub
        self._path = path

    async def attach_sink(self, link: SinkLink) -> "EventSink":
        link.limit_messages(MAX_EVENT_BYTES)
        match [part.lower() for part in self._path]:
            case []:
                return EventSink(self._store, self._hub, None, None)
            case ["partitions", number]:
                return EventSink(self._store, self._hub, self._hub.partition(number), None)
            case ["publishers", _]:
                return EventSink(self._store, self._hub, None, self._path[1])
        raise self._unknown()

    async def attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        """Attach, and detach at once what cannot be served.

        azure-eventhub's consumers repeat a refused attach for ever without a word; a detach they report.
        """
        try:
            return await self._attach_source(link)
        except AmqpError as error:
            return RefusedSource(link, error), {}, {}

    async def _attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        match [part.lower() for part in self._path]:
            case ["consumergroups", group, "partitions", number]:
                self._hub.check_group(self._path[1])
                partition = self._hub.partition(number)
            case _:
                raise self._unknown()
        source = EventSource(partition, group, link)
        source.start_at(await partition.sequence_at(read_position(link.source.filters)))
        partition.join(group, source)
        return source, written(link.source.filters.get(SELECTOR)), {}

    def _unknown(self) -> AmqpError:
        address = "/".join([self._hub.config.name, *self._path])
        return AmqpError(Condition.NOT_FOUND, f"The messaging entity '{address}' could not be found.")


class EventSink:
    """A client's sending link, to one partition or to where keys and turns lead."""

    def __init__(self, store: Store, hub: EventHub, partition: EventPartition | None, publisher: str | None) -> None:
        self._store = store
        self._hub = hub
        self._partition = partition
        self._publisher = publisher

    def on_message(self, payload: bytes, message_format: int, settle: Settle) -> None:
        batch = read_events(payload, message_format)
        if not batch.records:
            settle(ACCEPTED)
            return
        if self._partition is not None:
            self._partition.append(batch)
        else:
            self._hub.append(batch, batch.key or self._publisher)
        settle_after_commit(self._store, settle, ACCEPTED)

    def on_detach(self) -> None:
        """Nothing is kept per sender."""


class RefusedSource:
    """A receiving link that ends with an error as soon as the client wants something of it."""

    def __init__(self, link: SourceLink, error: AmqpError) -> None:
        self._link = link
        self._error = error

    def on_credit(self) -> None:
        self._link.close(self._error)

    def on_outcome(self, tag: bytes, outcome: Outcome | None, settle: Settle) -> None:
        """Nothing was sent that could be settled."""

    def on_detach(self) -> None:
        """Nothing is kept."""


class EventSource:
    """A client's receiving link: sends what is visible from its position on, as credit allows."""

    def __init__(self, partition: EventPartition, group: str, link: SourceLink) -> None:
        self._partition = partition
        self._group = group
        self._link = link
        self._position = 0
        self._read: deque[EventBlock] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._gone = False
        self._settled = link.attach.snd_settle_mode != _UNSETTLED_MODE
        self._tracks = _wants_metrics(link.attach.desired_capabilities)
        epoch = (link.attach.properties or {}).get(_EPOCH)
        self.epoch = epoch if isinstance(epoch, int) else None

    def start_at(self, sequence: int) -> None:
        """Say which event is the first."""
        self._position = sequence

    # --- Reader -----------------------------------------------------------------------------------------------------

    def on_events(self) -> None:
        self.on_credit()

    def close(self, error: AmqpError) -> None:
        self._link.close(error)

    # --- Source -----------------------------------------------------------------------------------------------------

    def on_credit(self) -> None:
        room = _TURN_BYTES
        while room > 0 and not self._gone and self._link.credit > 0 and self._position < self._partition.visible:
            block = self._block()
            if block is None:
                self._start_reading()
                return
            room -= self._send_from(block, room)
        if room <= 0:
            # Others have a turn, and the connection says whether it is congested.
            asyncio.get_running_loop().call_soon(self.on_credit)
        elif not self._gone:
            self._link.finish_drain()

    def _block(self) -> EventBlock | None:
        self._position = max(self._position, self._partition.begin)
        while self._read and self._read[0].next_sequence <= self._position:
            self._read.popleft()
        return self._read[0] if self._read else self._partition.in_memory(self._position)

    def _send_from(self, block: EventBlock, room: int) -> int:
        """Send events of one block; returns their bytes."""
        annotations = self._end_of_partition() if self._tracks else b""
        sent = 0
        while self._position < block.next_sequence and sent < room and self._link.credit > 0:
            payload = block.message(self._position, annotations)
            if not self._link.send(self._position.to_bytes(8), payload, settled=self._settled):
                break
            self._position += 1
            sent += len(payload)
        return max(sent, 1)

    def _end_of_partition(self) -> bytes:
        end = self._partition
        return last_enqueued(end.visible - 1, end.last_offset, end.last_enqueued_ms, int(time.time() * 1000))

    def _start_reading(self) -> None:
        if self._reading is None:
            self._reading = asyncio.create_task(self._fill())
            self._reading.add_done_callback(self._filled)

    async def _fill(self) -> None:
        blocks = await self._partition.read(self._position)
        self._read.extend(blocks)
        if not blocks and self._position >= self._partition.begin and self._partition.in_memory(self._position) is None:
            # Asking again would find as little, for ever.
            _log.error("Events have no row", partition=self._partition.number, sequence=self._position)
            self._position = self._partition.visible

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if task.cancelled() or self._gone:
            return
        error = task.exception()
        if error is None:
            self.on_credit()
            return
        report_failed_read(_log.bind(partition=self._partition.number), "Events could not be read; trying again", error)
        asyncio.get_running_loop().call_later(_RETRY_S, self.on_credit)

    def on_outcome(self, tag: bytes, outcome: Outcome | None, settle: Settle) -> None:  # noqa: ARG002
        """Whatever a reader decides changes nothing in a stream."""
        settle(ACCEPTED)

    def on_detach(self) -> None:
        self._gone = True
        self._partition.leave(self._group, self)
        if self._reading is not None:
            self._reading.cancel()


def _wants_metrics(capabilities: object) -> bool:
    return capabilities == _RUNTIME_METRIC or (isinstance(capabilities, list) and _RUNTIME_METRIC in capabilities)
