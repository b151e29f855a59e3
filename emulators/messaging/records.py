"""What the store keeps of messages, and one group of changes on its way to PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

import structlog

from emulators.messaging.errors import StoreUnavailableError
from emulators.messaging.event_blocks import EventBlock
from emulators.messaging.message import Content

_log = structlog.get_logger(__name__)

type MessageKey = tuple[int, int]
type AfterCommit = Callable[[StoreUnavailableError | None], None]


class Status(IntEnum):
    """Stored status; the numbers are also x-opt-message-state on the wire."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


class MessageState(NamedTuple):
    """Everything about a stored message that can change, in column order; times in seconds since 1970."""

    dead_lettered: bool
    status: Status
    enqueued_at: float
    expires_at: float | None
    scheduled_at: float | None
    delivery_count: int
    lock_token: UUID | None = None
    locked_until: float | None = None
    dead_letter_reason: str | None = None
    dead_letter_description: str | None = None


@dataclass(slots=True)
class Message:
    """A message in memory. `content` is None when only the database holds it; `size` counts bytes.

    `cached` says that the content counts against the cache, and so stays until the message is removed. `hops` counts
    how often it was forwarded; `transfer` marks a dead letter that could not be forwarded.
    """

    queue_id: int
    sequence: int
    message_id: str | None
    session_id: str | None
    size: int
    state: MessageState
    content: Content | None
    cached: bool = False
    hops: int = 0
    transfer: bool = False

    @property
    def key(self) -> MessageKey:
        return self.queue_id, self.sequence


@dataclass(slots=True)
class ChangeSet:
    """Changes that commit together, at most one per row: a later one absorbs an earlier one.

    `durable` is false while only locks are taken: losing those when PostgreSQL crashes repeats a delivery, no more.
    """

    inserts: dict[MessageKey, tuple[Message, Content, MessageState]] = field(default_factory=dict)
    updates: dict[MessageKey, MessageState] = field(default_factory=dict)
    deletes: set[MessageKey] = field(default_factory=set)
    next_sequences: dict[int, int] = field(default_factory=dict)
    duplicates: dict[tuple[int, str], float] = field(default_factory=dict)
    forgotten: dict[int, float] = field(default_factory=dict)
    session_states: dict[tuple[int, str], bytes | None] = field(default_factory=dict)
    descriptions: dict[int, tuple[str, str | None, float]] = field(default_factory=dict)
    rules: dict[int, tuple[str, str]] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    blocks: list[EventBlock] = field(default_factory=list)
    heads: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    trims: dict[int, int] = field(default_factory=dict)
    callbacks: list[AfterCommit] = field(default_factory=list)
    size: int = 0
    durable: bool = False

    @property
    def empty(self) -> bool:
        return not (self.changed or self.callbacks)

    @property
    def changed(self) -> bool:
        return self.durable or bool(self.updates or self.forgotten)

    def insert(self, message: Message, content: Content) -> None:
        self.inserts[message.key] = (message, content, message.state)
        self.next_sequences[message.queue_id] = message.sequence + 1
        self.size += content.size
        self.durable = True

    def number(self, message: Message) -> None:
        """Remember that the message's sequence number is taken, without keeping the message."""
        self.next_sequences[message.queue_id] = message.sequence + 1
        self.durable = True

    def update(self, message: Message, *, durable: bool = True) -> None:
        self.durable |= durable
        pending = self.inserts.get(message.key)
        if pending is None:
            self.updates[message.key] = message.state
        else:
            self.inserts[message.key] = (message, pending[1], message.state)

    def delete(self, message: Message) -> None:
        self.durable = True
        self.updates.pop(message.key, None)
        if self.inserts.pop(message.key, None) is None:
            self.deletes.add(message.key)

    def remember(self, queue_id: int, message_id: str, seen_at: float) -> None:
        self.duplicates[queue_id, message_id] = seen_at
        self.durable = True

    def set_session_state(self, queue_id: int, session_id: str, state: bytes | None) -> None:
        self.session_states[queue_id, session_id] = state
        self.durable = True

    def describe(self, queue_id: int, kind: str, description: str | None, updated_at: float) -> None:
        """Keep an entity's description as JSON; None for one that the configuration declares."""
        self.descriptions[queue_id] = (kind, description, updated_at)
        self.durable = True

    def set_rules(self, queue_id: int, rules: str, rules_of: str) -> None:
        """Keep a subscription's rules as JSON, and which declared ones they replace."""
        self.rules[queue_id] = (rules, rules_of)
        self.durable = True

    def drop(self, queue_id: int) -> None:
        """Delete an entity with all it holds. Nothing may be written for it any more."""
        self.dropped.add(queue_id)
        self.durable = True

    def append(self, block: EventBlock) -> None:
        self.blocks.append(block)
        self.heads[block.partition_id] = (block.next_sequence, block.next_offset, block.enqueued_ms)
        self.size += len(block.data)
        self.durable = True

    def trim(self, partition_id: int, begin_sequence: int) -> None:
        """Drop a partition's events before a sequence number."""
        self.trims[partition_id] = begin_sequence
        self.durable = True

    def finish(self, error: StoreUnavailableError | None) -> None:
        """Call everyone who waits, once."""
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            try:
                callback(error)
            except Exception:  # noqa: BLE001 - one waiter's fault must not stop everybody's commits
                _log.exception("Acting on a commit failed")
