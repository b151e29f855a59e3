"""A sub-queue: the messages of a queue, or its dead letters, and who receives them.

Rules:
- Everything here is synchronous. Memory changes first, the store's next group carries the change, and what others see
  (a delivery, an acknowledgement) waits for that group's commit.
- A delivered message is locked under a token until it is settled or its lock expires; expiry and abandonment raise the
  delivery count, and at the maximum the message is dead-lettered.
- Delivery order is the order of sequence numbers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from heapq import nsmallest
from itertools import islice
from uuid import UUID, uuid4

import structlog

from emulators.messaging.errors import AmqpError, Condition, report_failed_read
from emulators.messaging.lines import Delivery, Line, Receiver
from emulators.messaging.message import Content
from emulators.messaging.records import Message, Status
from emulators.messaging.store import Store

_log = structlog.get_logger(__name__)
_LOAD_AHEAD = 256
_LOAD_RETRY_S = 1.0

type OnDeadLetter = Callable[[Message, str | None, str | None], None]
type Forward = Callable[[Message, Content], None]
"""Takes a deliverable message out of its sub-queue and sends it on, in one group of changes."""


class ContentCache:
    """How many bytes of contents stay in memory; what does not fit is read from the database when delivered."""

    def __init__(self, limit_bytes: int) -> None:
        self._free = limit_bytes

    def keep(self, message: Message) -> None:
        """Forget the message's content when there is no room for it."""
        if message.size > self._free:
            message.content = None
        else:
            self._free -= message.size
            message.cached = True

    def release(self, message: Message) -> None:
        """The message is removed."""
        if message.cached:
            self._free += message.size
            message.cached = False


class SubQueue:
    """Messages without sessions. `sessions.SessionSubQueue` refines it."""

    def __init__(
        self,
        store: Store,
        cache: ContentCache,
        *,
        lock_duration_s: float,
        max_delivery_count: int,
        dead_letter: OnDeadLetter | None,
    ) -> None:
        self.lock_duration_s = lock_duration_s
        self.messages: dict[int, Message] = {}
        self.receivers: deque[Receiver] = deque()
        self.forward: Forward | None = None
        self.max_delivery_count = max_delivery_count
        self._closed = False
        self._store = store
        self._cache = cache
        self._dead_letter = dead_letter
        self._line = Line()
        self._by_token: dict[UUID, Message] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._outbox: deque[Delivery] = deque()
        self._loading: asyncio.Task[None] | None = None
        store.when_returned(self.pump)

    # --- arrival and removal ----------------------------------------------------------------------------------------

    def add(self, message: Message) -> None:
        """Take in a message that is new here, in whatever state it is."""
        self.messages[message.sequence] = message
        if message.state.lock_token is not None:
            self._by_token[message.state.lock_token] = message
            self._watch_lock(message)
        elif message.state.status is Status.ACTIVE:
            self.line_of(message).push(message.sequence)

    def take_out(self, message: Message) -> None:
        """Forget the message here; its row is the caller's to change."""
        self.messages.pop(message.sequence, None)
        self._forget_lock(message)
        self.line_of(message).discard(message.sequence)

    def remove(self, message: Message) -> None:
        """Delete the message for good."""
        self.take_out(message)
        self._cache.release(message)
        self._store.write().delete(message)

    def line_of(self, _message: Message) -> Line:
        """The line in which the message stands when it is deliverable."""
        return self._line

    # --- delivery ---------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Assign what can be delivered to those who have capacity, or forward it."""
        if self._store.away:
            return
        if self.forward is not None:
            self._forward_line(self.forward)
            return
        assigned = []
        while self._line and (receiver := self._next_receiver()) is not None:
            assigned.append(self._assign(receiver, self._line.pop()))
        self._send_after_commit(assigned)

    def _forward_line(self, forward: Forward) -> None:
        """Send on in order, stopping at the first message whose content must be read."""
        while self._line:
            message = self.messages[self._line.pop()]
            if message.content is None:
                self._line.push(message.sequence)
                self._load(self._load_line)
                return
            forward(message, message.content)

    async def _load_line(self) -> None:
        ahead = [self.messages[sequence] for sequence in self._line.first(_LOAD_AHEAD)]
        contents = await self.load(ahead)
        for message in ahead:
            message.content = contents.get(message.sequence)
            if message.content is None and self.messages.get(message.sequence) is message:
                _log.error("A message has no row", sequence=message.sequence)
                self.take_out(message)

    def _next_receiver(self) -> Receiver | None:
        for _ in range(len(self.receivers)):
            self.receivers.rotate(-1)
            if self.receivers[-1].capacity > 0:
                return self.receivers[-1]
        return None

    def _assign(self, receiver: Receiver, sequence: int) -> Delivery:
        message = self.messages[sequence]
        receiver.reserve()
        return Delivery(receiver, message, self.lock(message))

    def lock(self, message: Message) -> UUID:
        """Put the message under a new lock token, which is returned."""
        token = uuid4()
        message.state = message.state._replace(lock_token=token, locked_until=self.lock_end(message))
        self._by_token[token] = message
        self._store.write().update(message, durable=False)
        self._watch_lock(message)
        return token

    def lock_end(self, _message: Message) -> float:
        """When a lock taken or renewed now ends, in seconds since 1970."""
        return time.time() + self.lock_duration_s

    def _send_after_commit(self, assigned: list[Delivery]) -> None:
        if assigned:
            self._store.when_committed(lambda: self._queue_up(assigned))

    def _queue_up(self, assigned: list[Delivery]) -> None:
        self._outbox.extend(assigned)
        self._send()

    def _send(self) -> None:
        """Hand over in order, stopping at the first message whose content must be read."""
        while self._outbox:
            delivery = self._outbox[0]
            if delivery.message.content is None and self._still_locked(delivery):
                self._load(self._load_outbox)
                return
            self._outbox.popleft()
            self._hand_over(delivery)

    def _still_locked(self, delivery: Delivery) -> bool:
        return self._by_token.get(delivery.token) is delivery.message

    def _hand_over(self, delivery: Delivery) -> None:
        receiver, message, content = delivery.receiver, delivery.message, delivery.message.content
        if content is None or not self._still_locked(delivery):
            receiver.give_back()
        elif not receiver.peek_lock:
            self._delete_then_deliver(receiver, message, content)
        else:
            self._deliver(receiver, message, content)

    def _deliver(self, receiver: Receiver, message: Message, content: Content) -> None:
        if not message.cached:
            message.content = None
        if not receiver.deliver(message, content):
            self.unlock(message)
            self.pump()

    def _delete_then_deliver(self, receiver: Receiver, message: Message, content: Content) -> None:
        """Receive-and-delete delivers at most once, so the deletion commits before the message leaves."""

        def deliver() -> None:
            if not receiver.deliver(message, content) and not self._closed:
                message.state = message.state._replace(lock_token=None, locked_until=None)
                message.content = content
                self._cache.keep(message)
                self._store.write().insert(message, content)
                self.add(message)
                self.pump()

        self.remove(message)
        self._store.when_committed(deliver)

    def _load(self, load: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await load()

        if self._loading is None:
            self._loading = asyncio.create_task(run())
            self._loading.add_done_callback(self._loaded)

    async def _load_outbox(self) -> None:
        ahead = [item for item in islice(self._outbox, _LOAD_AHEAD) if self._still_locked(item)]
        contents = await self.load(item.message for item in ahead)
        for item in ahead:
            item.message.content = contents.get(item.message.sequence)
            if item.message.content is None and self._still_locked(item):
                _log.error("A message has no row", sequence=item.message.sequence)
                self.take_out(item.message)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._go_on()
            return
        report_failed_read(_log, "Contents could not be read; trying again", error)
        asyncio.get_running_loop().call_later(_LOAD_RETRY_S, self._go_on)

    def _go_on(self) -> None:
        """Do what waited for contents."""
        self._send()
        self.pump()

    async def load(self, messages: Iterable[Message]) -> dict[int, Content]:
        """Contents by sequence number, from memory or the database. Raises StoreUnavailableError."""
        wanted = list(messages)
        contents = {message.sequence: message.content for message in wanted if message.content is not None}
        missing = [message for message in wanted if message.content is None]
        if missing:
            queue_id = missing[0].queue_id
            contents |= await self._store.load_contents(queue_id, [message.sequence for message in missing])
        return contents

    # --- locks ------------------------------------------------------------------------------------------------------

    def locked(self, token: UUID) -> Message:
        """The message locked under `token`. Raises AmqpError (message-lock-lost)."""
        message = self._by_token.get(token)
        if message is None:
            raise AmqpError(
                Condition.MESSAGE_LOCK_LOST,
                "The lock supplied is invalid. Either the lock expired, or the message has already been removed.",
            )
        return message

    @property
    def locked_count(self) -> int:
        return len(self._by_token)

    def renew(self, token: UUID) -> float:
        """Extend a lock from now on; returns its end in seconds since 1970. Raises AmqpError."""
        message = self.locked(token)
        message.state = message.state._replace(locked_until=self.lock_end(message))
        self._store.write().update(message, durable=False)
        self._watch_lock(message)
        return self.lock_end(message)

    def _watch_lock(self, message: Message) -> None:
        self._stop_timer(message)
        assert message.state.locked_until is not None
        delay = max(0.0, message.state.locked_until - time.time())
        timer = asyncio.get_running_loop().call_later(delay, self._on_lock_expired, message, message.state.lock_token)
        self._timers[message.sequence] = timer

    def _on_lock_expired(self, message: Message, token: UUID | None) -> None:
        if token is not None and self._by_token.get(token) is message:
            self.fail(message)
            self.pump()

    def _forget_lock(self, message: Message) -> None:
        self._stop_timer(message)
        if message.state.lock_token is not None:
            self._by_token.pop(message.state.lock_token, None)

    def _stop_timer(self, message: Message) -> None:
        timer = self._timers.pop(message.sequence, None)
        if timer is not None:
            timer.cancel()

    def unlock(self, message: Message, *, failed: bool = False, status: Status | None = None) -> None:
        """End the message's lock; the caller pumps."""
        self._forget_lock(message)
        message.state = message.state._replace(
            lock_token=None,
            locked_until=None,
            delivery_count=message.state.delivery_count + failed,
            status=message.state.status if status is None else status,
        )
        self._store.write().update(message)
        if message.state.status is Status.ACTIVE:
            self.line_of(message).push(message.sequence)

    # --- settlement -------------------------------------------------------------------------------------------------

    def fail(self, message: Message) -> None:
        """A delivery failed: count it, and dead-letter the message at the maximum. The caller pumps."""
        if self._dead_letter is None or message.state.delivery_count + 1 < self.max_delivery_count:
            self.unlock(message, failed=True)
            return
        count = message.state.delivery_count + 1
        message.state = message.state._replace(delivery_count=count)
        reason = f"Message could not be consumed after {count} delivery attempts."
        self._dead_letter(message, "MaxDeliveryCountExceeded", reason)

    def reject(self, message: Message, reason: str | None, description: str | None) -> None:
        """Dead-letter on the receiver's wish; a dead letter that is rejected stays one. The caller pumps."""
        if self._dead_letter is None:
            self.unlock(message)
        else:
            self._dead_letter(message, reason, description)

    def deferred(self, sequence: int) -> Message:
        """A deferred message that nobody holds. Raises AmqpError (message-not-found)."""
        message = self.messages.get(sequence)
        if message is None or message.state.status is not Status.DEFERRED or message.state.lock_token is not None:
            raise AmqpError(Condition.MESSAGE_NOT_FOUND, f"No deferred message has sequence number {sequence}.")
        return message

    def browse(self, first: int, limit: int, session_id: str | None) -> list[Message]:
        """Messages from sequence number `first` on, locked ones and scheduled ones too."""
        matching = (
            sequence
            for sequence, message in self.messages.items()
            if sequence >= first and (session_id is None or message.session_id == session_id)
        )
        return [self.messages[sequence] for sequence in nsmallest(limit, matching)]

    # --- the end ----------------------------------------------------------------------------------------------------

    def hang_up(self, error: AmqpError) -> None:
        """Detach everybody who receives."""
        for receiver in list(self.receivers):
            receiver.close(error)

    def close(self, error: AmqpError) -> None:
        """The entity is deleted: detach everybody and forget the messages, whose rows are the caller's to delete."""
        self._closed = True
        self.hang_up(error)
        for timer in self._timers.values():
            timer.cancel()
        for message in self.messages.values():
            self._cache.release(message)
        for index in (self.messages, self._by_token, self._timers):
            index.clear()
        self._line = Line()
        self._store.forget_returned(self.pump)
        self._send()
