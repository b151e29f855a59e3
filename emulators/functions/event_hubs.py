"""The Event Hubs trigger and output binding, on the azure-eventhub SDK.

Partitions are shared between processes by leases. Batches of one partition run one after another, and the checkpoint
moves on whether the function succeeded or raised after its retries, as the real extension's does
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages): a stream has no dead letters.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient, PartitionContext
from azure.eventhub.amqp import AmqpAnnotatedMessage

from emulators.functions.definitions import EventHubOutput, EventHubTrigger, FunctionDefinition
from emulators.functions.event_hub_checkpoints import PostgresCheckpointStore
from emulators.functions.event_hub_messages import (
    Partition,
    batch_input,
    batch_metadata,
    single_input,
    single_metadata,
    trace_of,
)
from emulators.functions.execution import Executor, trace_context
from emulators.functions.logging import get_logger
from emulators.functions.retries import run_with_retries
from emulators.functions.settings import SettingsError, connection_setting, parse_time_span
from emulators.functions.worker import TypedData
from emulators.processes.background import Background

_RESTART_S = 1.0
_logger = get_logger("host.event_hubs")


@dataclass(frozen=True)
class EventHubOptions:
    """host.json's `extensions.eventHubs` with the documented defaults."""

    max_event_batch_size: int = 100
    batch_checkpoint_frequency: int = 1
    prefetch_count: int = 300
    initial_position: str | datetime = "-1"
    load_balancing_interval: timedelta = timedelta(seconds=10)
    ownership_expiration: timedelta = timedelta(seconds=30)

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "EventHubOptions":
        """Read the section. Raises SettingsError."""
        default = cls()
        return cls(
            max_event_batch_size=_count(section, "maxEventBatchSize", default.max_event_batch_size),
            batch_checkpoint_frequency=_count(section, "batchCheckpointFrequency", default.batch_checkpoint_frequency),
            prefetch_count=_count(section, "prefetchCount", default.prefetch_count),
            initial_position=_initial_position(section.get("initialOffsetOptions") or {}),
            load_balancing_interval=_span(section, "loadBalancingUpdateInterval", default.load_balancing_interval),
            ownership_expiration=_span(section, "partitionOwnershipExpirationInterval", default.ownership_expiration),
        )


def _count(section: Mapping[str, Any], name: str, default: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingsError(f"host.json: extensions.eventHubs.{name} must be a whole number from 1")
    return value


def _span(section: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    return parse_time_span(str(section[name])) if name in section else default


def _initial_position(options: Mapping[str, Any]) -> str | datetime:
    """Where a partition without a checkpoint is read from."""
    kind = str(options.get("type") or "fromStart").lower()
    if kind in ("fromstart", "fromend"):
        return "-1" if kind == "fromstart" else "@latest"
    try:
        time = datetime.fromisoformat(str(options.get("enqueuedTimeUtc") or ""))
    except ValueError:
        time = None
    if kind != "fromenqueuedtime" or time is None:
        raise SettingsError(
            "host.json: extensions.eventHubs.initialOffsetOptions has the type fromStart, fromEnd, or fromEnqueuedTime "
            "with enqueuedTimeUtc such as 2026-01-31T00:00:00Z"
        )
    return time.replace(tzinfo=time.tzinfo or UTC)


def event_hub_connection(name: str, settings: Mapping[str, str]) -> str:
    """The connection string that a binding names. Raises SettingsError."""
    found = connection_setting(name, settings)
    if found is not None:
        return found
    raise SettingsError(
        f"Event Hub connection string '{name}' is missing or empty: add '{name}' to the app settings "
        "(this host does not connect with an identity)"
    )


class EventHubListener:
    """One event hub-triggered function of this process."""

    def __init__(
        self,
        function: FunctionDefinition,
        connection: str,
        options: EventHubOptions,
        executor: Executor,
        store: PostgresCheckpointStore,
    ) -> None:
        assert isinstance(function.trigger, EventHubTrigger)
        self._function = function
        self._trigger = function.trigger
        self._options = options
        self._executor = executor
        self._store = store
        self._connection = connection
        self._stopping = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._batches: dict[str, int] = {}
        self._receiving: asyncio.Task[None] | None = None

    def start(self, background: Background) -> None:
        """Begin to receive; outages are waited out."""
        self._receiving = background.start(self._receive_until_stopped(), f"receiver of {self._function.name}")

    def stop(self) -> None:
        """Receive no more; batches that run are finished and their checkpoints written."""
        self._stopping.set()

    async def wait_closed(self, timeout_s: float) -> None:
        """Wait for what runs, within the bound, and close."""
        self._stopping.set()
        pending = [task for task in (*self._running, self._receiving) if task is not None]
        if pending:
            _, late = await asyncio.wait(pending, timeout=timeout_s)
            for task in late:
                task.cancel()
        await self._store.close()

    async def _receive_until_stopped(self) -> None:
        while not self._stopping.is_set():
            client = EventHubConsumerClient.from_connection_string(
                self._connection,
                self._trigger.consumer_group,
                eventhub_name=self._trigger.hub,
                checkpoint_store=self._store,
                load_balancing_interval=self._options.load_balancing_interval.total_seconds(),
                partition_ownership_expiration_interval=self._options.ownership_expiration.total_seconds(),
            )
            receiving = asyncio.create_task(self._receive(client))
            stopped = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({receiving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            await client.close()
            # The SDK's processor would sleep until it balances the load again.
            receiving.cancel()
            await asyncio.wait({receiving})
            await self._report(receiving)

    async def _receive(self, client: EventHubConsumerClient) -> None:
        await client.receive_batch(
            self._on_batch,
            max_batch_size=self._options.max_event_batch_size if self._trigger.many else 1,
            prefetch=self._options.prefetch_count,
            starting_position=self._options.initial_position,
            on_error=self._on_error,
        )

    async def _report(self, receiving: asyncio.Task[None]) -> None:
        if self._stopping.is_set() or receiving.cancelled() or (error := receiving.exception()) is None:
            return
        _logger.warning("The event hub is away; the trigger waits for it", hub=self._trigger.hub, error=str(error))
        await asyncio.sleep(_RESTART_S)

    async def _on_error(self, context: PartitionContext | None, error: Exception) -> None:
        if not self._stopping.is_set():
            _logger.warning(
                "A partition cannot be read now",
                function=self._function.name,
                partition=None if context is None else context.partition_id,
                error=str(error),
            )

    async def _on_batch(self, context: PartitionContext, events: list[EventData]) -> None:
        if not events or self._stopping.is_set():
            return
        # Losing the partition cancels the SDK's task, never the function that runs.
        task = asyncio.create_task(self._run(context, events))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _run(self, context: PartitionContext, events: Sequence[EventData]) -> None:
        partition = Partition(
            context.fully_qualified_namespace, context.eventhub_name, context.consumer_group, context.partition_id
        )
        trace = trace_context(*trace_of(events[0]))
        binary, checkpoint = self._trigger.binary, self._is_checkpoint_due(context.partition_id)
        if self._trigger.many:
            given = batch_input(events, binary=binary), batch_metadata(events, partition, checkpoint=checkpoint)
        else:
            given = (
                single_input(events[0], binary=binary),
                single_metadata(events[0], partition, checkpoint=checkpoint),
            )
        # What a stop cut short is read again by the next process.
        if await run_with_retries(self._executor, self._function, given[0], trace, self._stopping, given[1]):
            await self._checkpoint(context, events[-1])

    def _is_checkpoint_due(self, partition_id: str) -> bool:
        """Whether the partition's next batch is one after which its position is written."""
        return (self._batches.get(partition_id, 0) + 1) % self._options.batch_checkpoint_frequency == 0

    async def _checkpoint(self, context: PartitionContext, last: EventData) -> None:
        due = self._is_checkpoint_due(context.partition_id)
        self._batches[context.partition_id] = self._batches.get(context.partition_id, 0) + 1
        if not due:
            return
        try:
            await context.update_checkpoint(last)
        except psycopg.Error as error:
            _logger.warning(
                "A checkpoint could not be written; events may be processed again",
                function=self._function.name,
                partition=context.partition_id,
                error=str(error),
            )


class EventHubOutputs:
    """Sends what output bindings return; one producer a hub, used by one invocation at a time."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._producers: dict[tuple[str, str], EventHubProducerClient] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def send(self, output: EventHubOutput, value: TypedData) -> None:
        """Send one event, or those of a list. Raises the SDK's error when the hub did not accept them."""
        place = (output.connection, output.hub)
        async with self._turns.setdefault(place, asyncio.Lock()):
            if place not in self._producers:
                connection = event_hub_connection(output.connection, self._settings)
                self._producers[place] = EventHubProducerClient.from_connection_string(
                    connection, eventhub_name=output.hub
                )
            events = _events(value)
            if events:
                await self._producers[place].send_batch(events)

    async def close(self) -> None:
        for producer in self._producers.values():
            await producer.close()


def _events(value: TypedData) -> list[EventData | AmqpAnnotatedMessage]:
    """A JSON array is one event an element, as the real binding's IAsyncCollector takes it."""
    if value.WhichOneof("data") != "json":
        return [EventData(value.value if isinstance(value.value, bytes) else str(value.value))]
    document = orjson.loads(value.value)
    if not isinstance(document, list):
        return [EventData(value.value)]
    return [EventData(item if isinstance(item, str) else orjson.dumps(item)) for item in document]
