"""A queue: its messages, its dead letters, duplicate detection, expiry and schedule."""

import asyncio
import time
from dataclasses import dataclass

from emulators.messaging.entities import QueueConfig
from emulators.messaging.errors import AmqpError, Condition
from emulators.messaging.message import LAST_TIMESTAMP_S, Content, Incoming, Stamp, compose
from emulators.messaging.records import Message, MessageState, Status
from emulators.messaging.sessions import SessionSubQueue
from emulators.messaging.store import LoadedQueue, Store
from emulators.messaging.subqueue import ContentCache, SubQueue

_FORGET_EVERY_S = 60.0
_NO_SESSION_ID = (
    "The SessionId was not set on a message, and it cannot be sent to the entity. Entities that have session support "
    "enabled can only receive messages that have the SessionId set to a valid value."
)


@dataclass(frozen=True, slots=True)
class Figures:
    """How many messages a queue holds; `locked` ones are among `active` and `dead_letter`."""

    active: int
    scheduled: int
    dead_letter: int
    locked: int
    size_bytes: int


class Queue:
    """One queue on one store. Synchronous but for `open`; callers wait with `store.after_commit`."""

    sendable = True
    receivable = True

    def __init__(self, config: QueueConfig, store: Store, cache: ContentCache, max_messages: int) -> None:
        self.config = config
        self._store = store
        self._cache = cache
        self._max_messages = max_messages
        self._id = 0
        self._next_sequence = 1
        self._seen: dict[str, float] = {}
        self._forgotten_at = 0.0
        self._scheduled = 0
        self.session_states: dict[str, bytes] = {}
        properties = config.properties
        main_type = SessionSubQueue if properties.requires_session else SubQueue
        lock_duration_s = properties.lock_duration.total_seconds()
        self.main: SubQueue = main_type(
            store,
            cache,
            lock_duration_s=lock_duration_s,
            max_delivery_count=properties.max_delivery_count,
            dead_letter=self.dead_letter,
        )
        self.dead_letters = SubQueue(
            store,
            cache,
            lock_duration_s=lock_duration_s,
            max_delivery_count=properties.max_delivery_count,
            dead_letter=None,
        )

    async def open(self) -> None:
        """Take up what the database holds."""
        loaded = await self._store.load_queue(self.config.name.lower())
        self._id, self._next_sequence = loaded.id, loaded.next_sequence
        self._seen = dict(sorted(loaded.duplicates.items(), key=lambda item: item[1]))
        self.session_states = loaded.session_states
        self._take_up(loaded)

    def _take_up(self, loaded: LoadedQueue) -> None:
        for message in loaded.messages:
            if message.state.dead_lettered:
                self.dead_letters.add(message)
            else:
                self._watch_times(message)
                self.main.add(message)

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, messages: list[Incoming]) -> list[int]:
        """Take in all of `messages` or none; returns their sequence numbers (0 for a duplicate). Raises AmqpError."""
        self._store.check_accepting()
        self._check(messages)
        sequences = [self._enqueue(message) for message in messages]
        self.main.pump()
        return sequences

    def check_room(self, count: int) -> None:
        """Raise AmqpError (resource-limit-exceeded) unless `count` more messages fit."""
        if len(self.main.messages) + count > self._max_messages:
            raise AmqpError(Condition.RESOURCE_LIMIT, f"The entity '{self.config.name}' is full.")

    def _check(self, messages: list[Incoming]) -> None:
        self.check_room(len(messages))
        if self.config.properties.requires_session and any(message.session_id is None for message in messages):
            raise AmqpError(Condition.NOT_ALLOWED, _NO_SESSION_ID)

    def _enqueue(self, incoming: Incoming) -> int:
        now = time.time()
        if incoming.message_id is not None and self._is_duplicate(incoming.message_id, now):
            return 0
        return self._take_in(incoming, now).sequence

    def _take_in(self, incoming: Incoming, now: float) -> Message:
        message = self._new_message(incoming, now)
        self._store.write().insert(message, incoming.content)
        self._cache.keep(message)
        self._watch_times(message)
        self.main.add(message)
        return message

    def _new_message(self, incoming: Incoming, now: float) -> Message:
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
        return Message(self._id, sequence, incoming.message_id, incoming.session_id, content.size, state, content)

    def _expiry(self, ttl_ms: int | None, enqueued_at: float) -> float | None:
        default = self.config.properties.default_message_time_to_live
        limits = [ttl_ms / 1000] if ttl_ms is not None else []
        if default is not None:
            limits.append(default.total_seconds())
        end = enqueued_at + min(limits) if limits else None
        return end if end is not None and end < LAST_TIMESTAMP_S else None

    def _is_duplicate(self, message_id: str, now: float) -> bool:
        properties = self.config.properties
        if not properties.requires_duplicate_detection:
            return False
        oldest = now - properties.duplicate_detection_history_time_window.total_seconds()
        self._forget(oldest, now)
        if message_id in self._seen:
            return True
        self._seen[message_id] = now
        self._store.write().remember(self._id, message_id, now)
        return False

    def _forget(self, oldest: float, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) < oldest:
            del self._seen[next(iter(self._seen))]
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._store.write().forgotten[self._id] = oldest

    # --- time -------------------------------------------------------------------------------------------------------

    def _watch_times(self, message: Message) -> None:
        """Act when the message is due or expires."""
        due = message.state.scheduled_at if message.state.status is Status.SCHEDULED else message.state.expires_at
        if message.state.status is Status.SCHEDULED:
            self._scheduled += 1
        if due is not None:
            loop = asyncio.get_running_loop()
            action = self._on_due if message.state.status is Status.SCHEDULED else self._on_expired
            loop.call_later(max(0.0, due - time.time()), action, message)

    def _on_due(self, message: Message) -> None:
        if self.main.messages.get(message.sequence) is not message:
            return
        self._scheduled -= 1
        message.state = message.state._replace(status=Status.ACTIVE, scheduled_at=None)
        self._store.write().update(message)
        self._watch_times(message)
        self.main.add(message)
        self.main.pump()

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
        messages = [self.main.messages.get(sequence) for sequence in sequences]
        found = [message for message in messages if message is not None and message.state.status is Status.SCHEDULED]
        if len(found) < len(sequences):
            raise AmqpError(Condition.MESSAGE_NOT_FOUND, "A scheduled message was not found.")
        for message in found:
            self._scheduled -= 1
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
            active=len(self.main.messages) - self._scheduled,
            scheduled=self._scheduled,
            dead_letter=len(self.dead_letters.messages),
            locked=self.main.locked_count + self.dead_letters.locked_count,
            size_bytes=sum(
                message.size for part in (self.main, self.dead_letters) for message in part.messages.values()
            ),
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


_EXPIRY_RETRY_S = 1.0
_LONGEST_REASON = 4096


def _text(value: str | None) -> str | None:
    return None if value is None else value.replace("\x00", "")[:_LONGEST_REASON]
