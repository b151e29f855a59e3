"""Links to queues: senders, receivers, session receivers."""

import time
from uuid import UUID

from emulators.messaging.codec import Described, Long, Symbol
from emulators.messaging.errors import AmqpError, Condition, DecodeError, StoreUnavailableError
from emulators.messaging.message import Content, read_identifier, read_messages
from emulators.messaging.nodes import Settle, SinkLink, Source, SourceLink
from emulators.messaging.performatives import ACCEPTED, Outcome, rejected
from emulators.messaging.queues import FORWARDS, Queue
from emulators.messaging.records import Message
from emulators.messaging.sessions import SessionSubQueue
from emulators.messaging.settlement import apply, echo
from emulators.messaging.store import Store
from emulators.messaging.subqueue import SubQueue

_SESSION_FILTER = Symbol("com.microsoft:session-filter")
_LOCKED_UNTIL = Symbol("com.microsoft:locked-until-utc")
_TIMEOUT = Symbol("com.microsoft:timeout")
_DEFAULT_ACCEPT_TIMEOUT_S = 60.0
_MAX_ACCEPT_TIMEOUT_S = 3600.0
_SETTLED_MODE = 1
_TICKS_AT_1970 = 621_355_968_000_000_000


class QueueNode:
    """The node of one queue, topic or subscription, or of its dead letters."""

    def __init__(self, store: Store, queue: Queue, part: SubQueue) -> None:
        self._store = store
        self._queue = queue
        self._part = part

    async def attach_sink(self, link: SinkLink) -> "QueueSink":  # noqa: ARG002
        if self._part is not self._queue.main or not self._queue.sendable:
            raise AmqpError(Condition.NOT_ALLOWED, "Messages cannot be sent to a subscription or a dead-letter queue.")
        if self._queue.config.properties.status in ("Disabled", "SendDisabled"):
            raise self._queue.disabled()
        return QueueSink(self._store, self._queue)

    async def attach_source(self, link: SourceLink) -> tuple[Source, dict[object, object], dict[object, object]]:
        if not self._queue.receivable:
            raise AmqpError(Condition.NOT_ALLOWED, "Messages are received from a topic's subscriptions.")
        if self._queue.config.properties.status in ("Disabled", "ReceiveDisabled"):
            raise self._queue.disabled()
        if self._part.forward is not None:
            raise AmqpError(Condition.NOT_ALLOWED, FORWARDS)
        self._queue.accessed_at = time.time()
        wants_session = _SESSION_FILTER in link.source.filters
        source = QueueSource(self._store, self._queue, self._part, link)
        if isinstance(self._part, SessionSubQueue):
            if not wants_session:
                raise AmqpError(
                    Condition.NOT_ALLOWED,
                    "It is not possible for an entity that requires sessions to create a non-sessionful "
                    "message receiver.",
                )
            return await self._attach_session(self._part, link, source)
        if wants_session:
            raise AmqpError(
                Condition.NOT_ALLOWED,
                "A sessionful message receiver cannot be created on an entity that does not require sessions.",
            )
        self._part.receivers.append(source)
        return source, {}, {}

    async def _attach_session(
        self, part: SessionSubQueue, link: SourceLink, source: "QueueSource"
    ) -> tuple[Source, dict[object, object], dict[object, object]]:
        wanted = _session_id(link.source.filters[_SESSION_FILTER])
        if wanted is None:
            session = await part.accept_next(source, _accept_timeout(link))
        else:
            session = part.accept(wanted, source)
        ticks = int(session.locked_until * 10_000_000) + _TICKS_AT_1970
        return source, {_SESSION_FILTER: session.id}, {_LOCKED_UNTIL: Long(ticks)}


def _session_id(value: object) -> str | None:
    if isinstance(value, Described):
        value = value.value
    if value is not None and not isinstance(value, str):
        raise DecodeError("A session filter is not a string.")
    return read_identifier(value)


def _accept_timeout(link: SourceLink) -> float:
    value = (link.attach.properties or {}).get(_TIMEOUT)
    if not isinstance(value, int):
        return _DEFAULT_ACCEPT_TIMEOUT_S
    return min(value / 1000, _MAX_ACCEPT_TIMEOUT_S)


class QueueSink:
    """A client's sending link."""

    def __init__(self, store: Store, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    def on_message(self, payload: bytes, message_format: int, settle: Settle) -> None:
        self._queue.send(read_messages(payload, message_format))
        settle_after_commit(self._store, settle, ACCEPTED)

    def on_detach(self) -> None:
        """Nothing is kept per sender."""


class QueueSource:
    """A client's receiving link; for a sub-queue it is a Receiver."""

    def __init__(self, store: Store, queue: Queue, part: SubQueue, link: SourceLink) -> None:
        self._store = store
        self._queue = queue
        self._part = part
        self._link = link
        self._reserved = 0
        self.peek_lock = link.attach.snd_settle_mode != _SETTLED_MODE

    # --- Receiver ---------------------------------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        return self._link.credit - self._reserved

    def reserve(self) -> None:
        self._reserved += 1

    def deliver(self, message: Message, content: Content) -> bool:
        token = message.state.lock_token or UUID(int=0)
        payload = self._queue.encode(message, content)
        delivered = self._link.send(token.bytes_le, payload, settled=not self.peek_lock)
        self.give_back()
        return delivered

    def give_back(self) -> None:
        self._reserved -= 1
        if self._reserved == 0:
            self._link.finish_drain()

    def close(self, error: AmqpError) -> None:
        self._link.close(error)

    # --- Source -----------------------------------------------------------------------------------------------------

    def on_credit(self) -> None:
        self._part.pump()
        if self._reserved == 0:
            self._link.finish_drain()

    def on_outcome(self, tag: bytes, outcome: Outcome | None, settle: Settle) -> None:
        if len(tag) != 16:
            raise AmqpError(Condition.INVALID_FIELD, "A delivery tag is not a lock token.")
        decided = outcome or Outcome("released", [])
        if decided.name == "received":
            return
        message = self._part.locked(UUID(bytes_le=tag))
        self._check_session(message)
        apply(self._part, message, decided)
        settle_after_commit(self._store, settle, echo(decided))

    def _check_session(self, message: Message) -> None:
        if isinstance(self._part, SessionSubQueue) and self._part.owned(message.session_id or "").owner is not self:
            raise AmqpError(Condition.SESSION_LOCK_LOST, "The session lock was lost.")

    def on_detach(self) -> None:
        if isinstance(self._part, SessionSubQueue):
            self._part.release(self)
        else:
            self._part.receivers.remove(self)


def settle_after_commit(store: Store, settle: Settle, outcome: Described) -> None:
    """Answer when everything written so far is committed."""

    def on_commit(error: StoreUnavailableError | None) -> None:
        settle(outcome if error is None else rejected(error))

    store.after_commit(on_commit)
