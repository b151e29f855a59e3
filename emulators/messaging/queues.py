"""A queue: its messages, its dead letters, duplicate detection, expiry, schedule and forwarding.

Forwarding (https://learn.microsoft.com/azure/service-bus-messaging/service-bus-auto-forwarding): what becomes
deliverable is taken out and sent to the other entity in one group of changes. What that entity does not take stays
here, among the transfer dead letters.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from emulators.messaging.codec import Long
from emulators.messaging.duplicates import MessageIds
from emulators.messaging.entities import QueueConfig, QueueProperties
from emulators.messaging.errors import AmqpError, Condition, entity_not_found
from emulators.messaging.message import (
    ENQUEUED_SEQUENCE,
    LAST_TIMESTAMP_S,
    Content,
    Incoming,
    Stamp,
    annotated,
    as_dead_letter,
    compose,
)
from emulators.messaging.records import Message, MessageState, Status
from emulators.messaging.schedule import Schedule
from emulators.messaging.sessions import SessionSubQueue
from emulators.messaging.store import LoadedQueue, Store
from emulators.messaging.subqueue import ContentCache, OnDeadLetter, SubQueue

_NO_SESSION_ID = (
    "The SessionId was not set on a message, and it cannot be sent to the entity. Entities that have session support "
    "enabled can only receive messages that have the SessionId set to a valid value."
)


@dataclass(frozen=True, slots=True)
class Figures:
    """How many messages a queue holds; `locked` ones are among the others."""

    active: int
    scheduled: int
    dead_letter: int
    transfer_dead_letter: int
    locked: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the entities of one namespace share. `find` gives the queue or topic of a name in lower case."""

    store: Store
    cache: ContentCache
    max_messages: int
    find: "Callable[[str], Queue | None]"


class Queue:
    """One queue on one store. Synchronous but for `open`; callers wait with `store.after_commit`."""

    sendable = True
    receivable = True

    def __init__(self, config: QueueConfig, around: Surroundings) -> None:
        self.config = config
        self.created_at = self.updated_at = self.accessed_at = time.time()
        self._around = around
        self._store = around.store
        self._cache = around.cache
        self._closed = False
        self._id = 0
        self._next_sequence = 1
        self._sent_before = MessageIds()
        self.session_states: dict[str, bytes] = {}
        properties = config.properties
        main_type = SessionSubQueue if properties.requires_session else SubQueue
        self.main: SubQueue = self._part(main_type, self.dead_letter)
        self.dead_letters = self._part(SubQueue, None)
        self.transfer_dead_letters = self._part(SubQueue, None)
        self._schedule = Schedule(self.main, self._enqueue_due, self.pump)

    def _part(self, kind: type[SubQueue], dead_letter: OnDeadLetter | None) -> SubQueue:
        properties = self.config.properties
        return kind(
            self._store,
            self._cache,
            lock_duration_s=properties.lock_duration.total_seconds(),
            max_delivery_count=properties.max_delivery_count,
            dead_letter=dead_letter,
        )

    @property
    def id(self) -> int:
        """The entity's key in the database."""
        return self._id

    @property
    def parts(self) -> tuple[SubQueue, SubQueue, SubQueue]:
        return self.main, self.dead_letters, self.transfer_dead_letters

    async def open(self) -> None:
        """Take up what the database holds; `start` follows when all entities are open. Raises StoreUnavailableError."""
        loaded = await self._store.load_queue(self.config.name.lower())
        self._id, self._next_sequence = loaded.id, loaded.next_sequence
        self.created_at, self.updated_at = loaded.created_at, loaded.updated_at
        self._sent_before.take_up(loaded.duplicates)
        self.session_states = loaded.session_states
        self._take_up(loaded)

    def _take_up(self, loaded: LoadedQueue) -> None:
        for message in loaded.messages:
            if message.transfer:
                self.transfer_dead_letters.add(message)
            elif message.state.dead_lettered:
                self.dead_letters.add(message)
            else:
                self._watch_times(message)
                self.main.add(message)

    def start(self) -> None:
        """Forward as the properties say, from now on and what is here already."""
        properties = self.config.properties
        for part, target in (
            (self.main, properties.forward_to),
            (self.dead_letters, properties.forward_dead_lettered_messages_to),
        ):
            part.forward = partial(self._forward, part, target) if target else None
            if target:
                part.hang_up(AmqpError(Condition.NOT_ALLOWED, FORWARDS))
        self.pump()

    def reconfigure(self, properties: QueueProperties) -> None:
        """Take on other properties; whether there are sessions never changes."""
        self.config = QueueConfig.model_construct(name=self.config.name, properties=properties)
        self.updated_at = time.time()
        for part in self.parts:
            part.lock_duration_s = properties.lock_duration.total_seconds()
            part.max_delivery_count = properties.max_delivery_count
        if properties.status in ("Disabled", "ReceiveDisabled"):
            for part in self.parts:
                part.hang_up(self.disabled())
        self.start()

    def close(self) -> None:
        """The entity is deleted, with all it holds, when what is written now is committed."""
        self._closed = True
        self._schedule.close()
        for part in self.parts:
            part.close(entity_not_found(self.config.name))
        self._store.write().drop(self._id)

    def disabled(self) -> AmqpError:
        return AmqpError(Condition.ENTITY_DISABLED, f"The messaging entity '{self.config.name}' is disabled.")

    def pump(self) -> None:
        """Deliver or forward what can be."""
        for part in self.parts:
            part.pump()

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, messages: list[Incoming]) -> list[int]:
        """Take in all of `messages` or none; returns their sequence numbers (0 for a duplicate). Raises AmqpError."""
        self._store.check_accepting()
        self._check(messages)
        self.accessed_at = time.time()
        sequences = [self._enqueue(message, 0) for message in messages]
        self.pump()
        return sequences

    def receive_forwarded(self, incoming: Incoming, hops: int) -> None:
        """Take in what another entity forwards, for the `hops`th time. Raises AmqpError, then nothing is taken."""
        self._check([incoming])
        self._enqueue(incoming, hops)
        self.pump()

    def check_room(self, count: int) -> None:
        """Raise AmqpError (resource-limit-exceeded) unless `count` more messages fit."""
        if sum(len(part.messages) for part in self.parts) + count > self._around.max_messages:
            raise AmqpError(Condition.RESOURCE_LIMIT, f"The entity '{self.config.name}' is full.")

    def _check(self, messages: list[Incoming]) -> None:
        if self._closed:
            raise entity_not_found(self.config.name)
        if self.config.properties.status in ("Disabled", "SendDisabled"):
            raise self.disabled()
        self.check_room(len(messages))
        if self.config.properties.requires_session and any(message.session_id is None for message in messages):
            raise AmqpError(Condition.NOT_ALLOWED, _NO_SESSION_ID)

    def _enqueue(self, incoming: Incoming, hops: int) -> int:
        now = time.time()
        if self._is_duplicate(incoming.message_id, now):
            return 0
        return self._take_in(incoming, now, hops).sequence

    def _is_duplicate(self, message_id: str | None, now: float) -> bool:
        properties = self.config.properties
        if message_id is None or not properties.requires_duplicate_detection:
            return False
        window_s = properties.duplicate_detection_history_time_window.total_seconds()
        return not self._sent_before.note(self._store, self._id, message_id, now, window_s)

    def _take_in(self, incoming: Incoming, now: float, hops: int) -> Message:
        message = self._new_message(incoming, now, hops)
        self._store.write().insert(message, incoming.content)
        self._cache.keep(message)
        self._watch_times(message)
        self.main.add(message)
        return message

    def _new_message(self, incoming: Incoming, now: float, hops: int) -> Message:
        sequence = self._next_sequence
        self._next_sequence += 1
        later = incoming.scheduled_at is not None and incoming.scheduled_at > now
        enqueued_at = incoming.scheduled_at if later and incoming.scheduled_at is not None else now
        state = MessageState(
            dead_lettered=False,
            status=Status.SCHEDULED if later else Status.ACTIVE,
            enqueued_at=enqueued_at,
            expires_at=self._expiry(incoming.content.ttl_ms, enqueued_at),
            scheduled_at=incoming.scheduled_at if later else None,
            delivery_count=0,
        )
        content = incoming.content
        identity = self._id, sequence, incoming.message_id, incoming.session_id
        return Message(*identity, content.size, state, content, hops=hops)

    def _expiry(self, ttl_ms: int | None, enqueued_at: float) -> float | None:
        default = self.life
        limits = [ttl_ms / 1000] if ttl_ms is not None else []
        if default is not None:
            limits.append(default.total_seconds())
        end = enqueued_at + min(limits) if limits else None
        return end if end is not None and end < LAST_TIMESTAMP_S else None

    @property
    def life(self) -> timedelta | None:
        """How long messages live that do not say so themselves, and no message lives longer."""
        return self.config.properties.default_message_time_to_live

    # --- forwarding -------------------------------------------------------------------------------------------------

    def _forward(self, part: SubQueue, target: str, message: Message, content: Content) -> None:
        """Move a message of `part` to the entity named `target`."""
        part.remove(message)
        state = message.state
        if state.dead_lettered:
            given = state.dead_letter_reason, state.dead_letter_description
            content = as_dead_letter(content, self.config.name, *given)
        content = annotated(content, ENQUEUED_SEQUENCE, Long(message.sequence))
        incoming = Incoming(content, message.message_id, message.session_id, None)
        try:
            self._destination(target, message).receive_forwarded(incoming, message.hops + 1)
        except AmqpError as error:
            self._keep_back(incoming, message.hops, error)

    def _destination(self, target: str, message: Message) -> "Queue":
        if message.hops >= _MAX_HOPS:
            raise AmqpError(Condition.NOT_ALLOWED, f"The message was forwarded {_MAX_HOPS} times already.")
        destination = self._around.find(target.lower())
        if destination is None:
            raise entity_not_found(target)
        return destination

    def _keep_back(self, incoming: Incoming, hops: int, error: AmqpError) -> None:
        """Keep what could not be forwarded among the transfer dead letters."""
        message = self._new_message(incoming, time.time(), hops)
        message.transfer = True
        message.state = message.state._replace(
            dead_lettered=True,
            expires_at=None,
            dead_letter_reason="MaxTransferHopCountExceeded" if hops >= _MAX_HOPS else "TransferFailed",
            dead_letter_description=_text(error.description),
        )
        self._store.write().insert(message, incoming.content)
        self._cache.keep(message)
        self.transfer_dead_letters.add(message)

    # --- time -------------------------------------------------------------------------------------------------------

    def _watch_times(self, message: Message) -> None:
        """Act when the message is due or expires."""
        if message.state.status is Status.SCHEDULED:
            self._schedule.add(message)
        elif message.state.expires_at is not None:
            delay_s = max(0.0, message.state.expires_at - time.time())
            asyncio.get_running_loop().call_later(delay_s, self._on_expired, message)

    def _enqueue_due(self, message: Message, content: Content) -> None:
        self.main.remove(message)
        self._take_in(Incoming(content, message.message_id, message.session_id, None), time.time(), message.hops)

    def _on_expired(self, message: Message) -> None:
        if self.main.messages.get(message.sequence) is not message:
            return
        if message.state.lock_token is not None:
            # A locked message may still be completed; look again when its lock has ended.
            asyncio.get_running_loop().call_later(_EXPIRY_RETRY_S, self._on_expired, message)
        elif self.config.properties.dead_lettering_on_message_expiration:
            self.dead_letter(message, "TTLExpiredException", "The message expired and was dead lettered.")
        else:
            self.main.remove(message)

    def cancel_scheduled(self, sequences: list[int]) -> None:
        """Delete scheduled messages. Raises AmqpError (message-not-found), then nothing is deleted."""
        messages = [message for sequence in sequences if (message := self._schedule.get(sequence)) is not None]
        if len(messages) < len(sequences):
            raise AmqpError(Condition.MESSAGE_NOT_FOUND, "A scheduled message was not found.")
        for message in messages:
            self._schedule.discard(message)
            self.main.remove(message)

    # --- dead letters, states, figures ------------------------------------------------------------------------------

    def dead_letter(self, message: Message, reason: str | None, description: str | None) -> None:
        """Move the message to the dead letters."""
        self.main.take_out(message)
        message.state = message.state._replace(
            dead_lettered=True,
            status=Status.ACTIVE,
            expires_at=None,
            lock_token=None,
            locked_until=None,
            dead_letter_reason=_text(reason),
            dead_letter_description=_text(description),
        )
        self._store.write().update(message)
        self.dead_letters.add(message)
        self.dead_letters.pump()

    def set_session_state(self, session_id: str, state: bytes | None) -> None:
        """Keep (or with None clear) a session's state."""
        if state is None:
            self.session_states.pop(session_id, None)
        else:
            self.session_states[session_id] = state
        self._store.write().set_session_state(self._id, session_id, state)

    def figures(self) -> Figures:
        """What the queue holds now."""
        return Figures(
            active=len(self.main.messages) - len(self._schedule),
            scheduled=len(self._schedule),
            dead_letter=len(self.dead_letters.messages),
            transfer_dead_letter=len(self.transfer_dead_letters.messages),
            locked=sum(part.locked_count for part in self.parts),
            size_bytes=sum(message.size for part in self.parts for message in part.messages.values()),
        )

    def encode(self, message: Message, content: Content) -> bytes:
        """The message as receivers get it."""
        state = message.state
        return compose(
            content,
            Stamp(
                sequence=message.sequence,
                enqueued_at=state.enqueued_at,
                delivery_count=state.delivery_count,
                locked_until=state.locked_until,
                state=state.status,
                dead_letter_source=self.config.name if state.dead_lettered else None,
                dead_letter_reason=state.dead_letter_reason,
                dead_letter_description=state.dead_letter_description,
            ),
        )


FORWARDS = "Cannot create a message receiver on an entity with auto-forwarding enabled."
_MAX_HOPS = 4
_EXPIRY_RETRY_S = 1.0
_LONGEST_REASON = 4096


def _text(value: str | None) -> str | None:
    return None if value is None else value.replace("\x00", "")[:_LONGEST_REASON]
