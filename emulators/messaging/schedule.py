"""Scheduled messages of one entity, which become due in the order of their times, then of their sequence numbers.

A message that is due leaves its number behind: it is enqueued like one that is sent at that moment
(https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing). Removal and enqueueing are one group of
changes, so that a crash neither loses nor repeats the message.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from heapq import heappop, heappush

import structlog

from emulators.messaging.errors import report_failed_read
from emulators.messaging.message import Content
from emulators.messaging.records import Message
from emulators.messaging.subqueue import SubQueue

_log = structlog.get_logger(__name__)
_RETRY_S = 1.0

type Enqueue = Callable[[Message, Content], None]
"""Takes a message that is due out of its sub-queue and enqueues it."""


class Schedule:
    """When each scheduled message of `part` is due; `pump` is called after messages were enqueued."""

    def __init__(self, part: SubQueue, enqueue: Enqueue, pump: Callable[[], None]) -> None:
        self._part = part
        self._enqueue = enqueue
        self._pump = pump
        self._messages: dict[int, Message] = {}
        self._heap: list[tuple[float, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loading: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> None:
        """Enqueue the message when it is due."""
        assert message.state.scheduled_at is not None
        self._messages[message.sequence] = message
        heappush(self._heap, (message.state.scheduled_at, message.sequence))
        self._wait()

    def get(self, sequence: int) -> Message | None:
        return self._messages.get(sequence)

    def discard(self, message: Message) -> None:
        """The message is not to be enqueued any more."""
        self._messages.pop(message.sequence, None)

    def close(self) -> None:
        """The entity is deleted."""
        self._messages.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._loading is not None:
            self._loading.cancel()

    def _wait(self, at_least_s: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap and self._loading is None:
            delay_s = max(self._heap[0][0] - time.time(), at_least_s)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_due)

    def _on_due(self) -> None:
        due = self._take_due()
        contents = {message.sequence: message.content for message in due if message.content is not None}
        if len(contents) == len(due):
            self._enqueue_all(due, contents)
            self._wait()
        else:
            self._loading = asyncio.create_task(self._load(due))
            self._loading.add_done_callback(partial(self._loaded, due))

    def _take_due(self) -> list[Message]:
        now, due = time.time(), []
        while self._heap and self._heap[0][0] <= now:
            message = self._messages.get(heappop(self._heap)[1])
            if message is not None:
                due.append(message)
        return due

    def _enqueue_all(self, due: list[Message], contents: Mapping[int, Content]) -> None:
        for message in due:
            if self._messages.pop(message.sequence, None) is None:
                continue  # cancelled while the contents were read
            content = contents.get(message.sequence)
            if content is None:
                _log.error("A message has no row", sequence=message.sequence)
            else:
                self._enqueue(message, content)
        self._pump()

    async def _load(self, due: list[Message]) -> None:
        self._enqueue_all(due, await self._part.load(due))

    def _loaded(self, due: list[Message], task: asyncio.Task[None]) -> None:
        self._loading = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            report_failed_read(_log, "Scheduled messages could not be read; trying again", error)
            for message in due:
                if message.sequence in self._messages and message.state.scheduled_at is not None:
                    heappush(self._heap, (message.state.scheduled_at, message.sequence))
        self._wait(at_least_s=0.0 if error is None else _RETRY_S)
