"""The queue storage trigger and output binding.

A message is hidden for ten minutes, and again while its function runs; success deletes it, a failure shows it again
after `visibilityTimeout`, and after `maxDequeueCount` attempts it is moved to `NAME-poison`. Batches, thresholds and
back-off are those of the extension (https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue).
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from emulators.functions.definitions import FunctionDefinition
from emulators.functions.execution import Executor, trace_context
from emulators.functions.logging import get_logger
from emulators.functions.settings import SettingsError, parse_time_span
from emulators.functions.storage.clients import StorageClients, has_code, is_outage
from emulators.functions.storage.queue_messages import (
    UndecodableError,
    bodies,
    decoded,
    encoded,
    metadata,
    trigger_input,
)
from emulators.functions.storage_bindings import QueueOutput, QueueTrigger
from emulators.functions.worker import TypedData
from emulators.processes.background import Background

HIDDEN_FOR = timedelta(minutes=10)
_SHORTEST_POLL = timedelta(milliseconds=100)
_LARGEST_BATCH = 32
_LONGEST_VISIBILITY = timedelta(days=7)
_RETRY_S = 1.0
_POISON = "-poison"
_logger = get_logger("host.queues")


@dataclass(frozen=True)
class QueueOptions:
    """host.json's `extensions.queues` with the documented defaults, those of development for polling."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_polling_interval: timedelta = timedelta(seconds=2)
    visibility_timeout: timedelta = timedelta()
    max_dequeue_count: int = 5
    base64_encoded: bool = True

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "QueueOptions":
        """Read the section. Raises SettingsError."""
        default = cls()
        batch_size = _count(section, "batchSize", default.batch_size, 1, _LARGEST_BATCH)
        encoding = str(section.get("messageEncoding", "base64")).lower()
        if encoding not in ("base64", "none"):
            raise SettingsError("host.json: extensions.queues.messageEncoding must be base64 or none")
        return cls(
            batch_size=batch_size,
            new_batch_threshold=_count(section, "newBatchThreshold", batch_size // 2, 0),
            max_polling_interval=_span(section, "maxPollingInterval", default.max_polling_interval, _SHORTEST_POLL),
            visibility_timeout=_span(section, "visibilityTimeout", default.visibility_timeout, timedelta()),
            max_dequeue_count=_count(section, "maxDequeueCount", default.max_dequeue_count, 1),
            base64_encoded=encoding == "base64",
        )


def _count(section: Mapping[str, Any], name: str, default: int, least: int, most: int | None = None) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bounds = f"from {least}" + (f" to {most}" if most is not None else "")
        raise SettingsError(f"host.json: extensions.queues.{name} must be a whole number {bounds}")
    return value


def _span(section: Mapping[str, Any], name: str, default: timedelta, least: timedelta) -> timedelta:
    if name not in section:
        return default
    span = parse_time_span(str(section[name]))
    if not least <= span <= _LONGEST_VISIBILITY:
        raise SettingsError(f"host.json: extensions.queues.{name} must be a TimeSpan from {least} to 7 days")
    return span


class Handler(Protocol):
    """What becomes of a message's body."""

    async def __call__(self, message: QueueMessage, body: bytes) -> bool:
        """Whether it succeeded."""


class QueueListener:
    """Takes the messages of one queue and settles them by what the handler says."""

    def __init__(
        self,
        name: str,
        queue: QueueClient,
        poison: QueueClient | None,
        options: QueueOptions,
        handler: Handler,
        hidden_for: timedelta = HIDDEN_FOR,
    ) -> None:
        self._name = name
        self._queue = queue
        self._poison = poison
        self._options = options
        self._handler = handler
        self._hidden_s = round(hidden_for.total_seconds())
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._away = False

    def start(self, background: Background) -> None:
        """Begin to poll; outages are waited out."""
        self._polling = background.start(self._poll_until_stopped(), f"polling of {self._name}")

    def wake(self) -> None:
        """Poll now: somebody knows of a message."""
        self._woken.set()

    def stop(self) -> None:
        """Take no more; messages that run are finished and settled."""
        self._stopping.set()
        self._woken.set()

    async def wait_closed(self, timeout_s: float) -> None:
        """Wait for what runs, within the bound."""
        self.stop()
        pending = [task for task in (self._polling, *self._running) if task is not None]
        if pending:
            _, late = await asyncio.wait(pending, timeout=timeout_s)
            for task in late:
                task.cancel()

    async def _poll_until_stopped(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._process(message))
                self._running.add(task)
                task.add_done_callback(self._processed)
            pause_s = 0.0 if messages else self._next_pause_s(pause_s)
            await self._pause(pause_s)
            await self._wait_for_room()

    def _processed(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("A message was not settled and will be delivered again", function=self._name, exc_info=error)

    def _next_pause_s(self, last_s: float) -> float:
        """Twice as long at each poll in vain, up to maxPollingInterval."""
        longest_s = self._options.max_polling_interval.total_seconds()
        doubled_s = last_s * 2 * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        return min(max(doubled_s, _SHORTEST_POLL.total_seconds()), longest_s)

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self) -> list[QueueMessage]:
        """The next batch; empty when the queue is empty, missing or away."""
        try:
            pages = self._queue.receive_messages(
                messages_per_page=self._options.batch_size,
                max_messages=self._options.batch_size,
                visibility_timeout=self._hidden_s,
                retry_total=0,
            ).by_page()
            messages = [message async for page in _first(pages) async for message in page]
        except ResourceNotFoundError:
            messages = []  # the queue comes with its first message
        except Exception as error:  # noqa: BLE001 - a trigger outlives whatever the SDK raises
            self._report_outage(error)
            return []
        self._away = False
        return messages

    def _report_outage(self, error: Exception) -> None:
        if not self._away:
            _logger.warning(
                "Queue storage is away; the trigger waits for it",
                function=self._name,
                queue=self._queue.queue_name,
                error=str(error),
            )
        self._away = True

    async def _process(self, message: QueueMessage) -> None:
        try:
            body = decoded(message.content, base64_encoded=self._options.base64_encoded)
        except UndecodableError as error:
            # Trying again makes no sense, so the extension does not either.
            await self._settle(message, self._bury, reason=str(error))
            return
        if (message.dequeue_count or 0) > self._options.max_dequeue_count:
            await self._settle(message, self._bury, reason="its host ended in every attempt")
            return
        renewing = asyncio.create_task(self._keep_hidden(message))
        try:
            succeeded = await self._handler(message, body)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
        if succeeded:
            await self._settle(message, self._delete)
        elif (message.dequeue_count or 0) < self._options.max_dequeue_count:
            await self._settle(message, self._show_again)
        else:
            await self._settle(message, self._bury, reason=f"it failed {message.dequeue_count} times")

    async def _keep_hidden(self, message: QueueMessage) -> None:
        """Hide the message again at half of its time, as long as its function runs."""
        pause_s = self._hidden_s / 2
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._hide(message, self._hidden_s)
                pause_s = self._hidden_s / 2
            except AzureError as error:
                _logger.warning(
                    "A message could not be hidden again and may be delivered again",
                    function=self._name,
                    message_id=message.id,
                    error=error.message,
                )
                pause_s = max(self._hidden_s / 10, _RETRY_S)

    async def _hide(self, message: QueueMessage, seconds: int) -> None:
        renewed = await self._queue.update_message(
            message.id, message.pop_receipt, visibility_timeout=seconds, retry_total=0
        )
        message.pop_receipt = renewed.pop_receipt

    async def _settle(
        self, message: QueueMessage, step: Callable[[QueueMessage], Awaitable[None]], reason: str = ""
    ) -> None:
        """Run `step` through outages, until the message comes back by itself."""
        if reason:
            _logger.warning(
                "A message is poisonous" if self._poison is not None else "A poison message fails again",
                function=self._name,
                message_id=message.id,
                queue=None if self._poison is None else self._poison.queue_name,
                reason=reason,
            )
        deadline = time.monotonic() + self._hidden_s
        while True:
            try:
                await step(message)
            except AzureError as error:
                if is_outage(error) and time.monotonic() < deadline:
                    await asyncio.sleep(_RETRY_S)
                    continue
                # The function itself may have changed or deleted the message.
                log = _logger.warning if is_outage(error) else _logger.debug
                log("A message was not settled", function=self._name, message_id=message.id, error=error.message)
            return

    async def _delete(self, message: QueueMessage) -> None:
        await self._queue.delete_message(message.id, message.pop_receipt, retry_total=0)

    async def _show_again(self, message: QueueMessage) -> None:
        if self._poison is not None:
            await self._hide(message, round(self._options.visibility_timeout.total_seconds()))

    async def _bury(self, message: QueueMessage) -> None:
        """Move it to the poison queue; a poison queue's own messages stay, hidden for their time."""
        if self._poison is not None:
            await send(self._poison, message.content)
            await self._delete(message)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()


async def _first(pages: Any) -> Any:
    """One page: the SDK's iterator would ask again until the queue is empty."""
    async for page in pages:
        yield page
        return


async def send(queue: QueueClient, content: str) -> None:
    """Send one message to a queue that is made when it is missing. Raises AzureError."""
    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        await create(queue)
        await queue.send_message(content)


async def create(queue: QueueClient) -> None:
    """Make the queue unless somebody else did meanwhile. Raises AzureError."""
    try:
        await queue.create_queue()
    except AzureError as error:
        if not has_code(error, "QueueAlreadyExists"):
            raise


def queue_listener(
    function: FunctionDefinition, clients: StorageClients, options: QueueOptions, executor: Executor
) -> QueueListener:
    """The listener of a queue-triggered function."""
    trigger = function.trigger
    assert isinstance(trigger, QueueTrigger)

    async def invoke(message: QueueMessage, body: bytes) -> bool:
        given = trigger_input(body, binary=trigger.binary)
        outcome = await executor.run(function, given, trace_context(), metadata(message, body))
        return outcome.failure is None

    service = clients.queues(trigger.connection)
    poison = None if trigger.queue.endswith(_POISON) else service.get_queue_client(trigger.queue + _POISON)
    return QueueListener(function.name, service.get_queue_client(trigger.queue), poison, options, invoke)


class QueueOutputs:
    """Sends what output bindings return."""

    def __init__(self, clients: StorageClients, *, base64_encoded: bool) -> None:
        self._clients = clients
        self._base64_encoded = base64_encoded

    async def send(self, output: QueueOutput, value: TypedData) -> None:
        """Send one message, or those of a list. Raises AzureError, UndecodableError."""
        queue = self._clients.queues(output.connection).get_queue_client(output.queue)
        for body in bodies(value):
            await send(queue, encoded(body, base64_encoded=self._base64_encoded))
