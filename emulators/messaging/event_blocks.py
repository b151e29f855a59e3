"""Events of one delivery as one append-only block, and what receivers get of it.

A block's data is a run of records: number of annotation items, size of the annotations, size of the bare message (each
32 bits), then both. An event's offset is its record's place in the bytes of the partition, as the service has it.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emulators.messaging.codec import Long, Symbol, Timestamp, decode, encode, encode_described, encode_pairs
from emulators.messaging.errors import AmqpError, Condition, DecodeError
from emulators.messaging.message import BATCH_FORMAT, raw_pairs, sections

MAX_EVENT_BYTES = 1024 * 1024
"""The standard tier's limit for one event or one batch."""
PARTITION_KEY = "x-opt-partition-key"
_MAX_KEY = 128
_BROKER_ANNOTATIONS = frozenset({"x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time"})
_DELIVERY, _ANNOTATIONS, _DATA = 0x71, 0x72, 0x75
_HEADERS = frozenset({0x70, _DELIVERY, _ANNOTATIONS})
_RECORD = struct.Struct(">III")
_SEQUENCE_AND_VALUE = encode(Symbol("x-opt-sequence-number")) + b"\x81"
_TIME_AND_VALUE = encode(Symbol("x-opt-enqueued-time")) + b"\x83"
_OFFSET = encode(Symbol("x-opt-offset"))
_I64 = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What arrived in one delivery: records, and the partition key that all of them share."""

    records: Sequence[bytes]
    key: str | None


@dataclass(frozen=True, slots=True)
class EventBlock:
    """Events `first_sequence` to `next_sequence - 1` of one partition; `enqueued_ms` since 1970."""

    partition_id: int
    first_sequence: int
    count: int
    first_offset: int
    enqueued_ms: int
    data: bytes
    _starts: list[int] = field(default_factory=list, compare=False, repr=False)

    @property
    def next_sequence(self) -> int:
        return self.first_sequence + self.count

    @property
    def next_offset(self) -> int:
        return self.first_offset + len(self.data)

    @property
    def row(self) -> tuple[object, ...]:
        """In column order."""
        return (
            self.partition_id,
            self.first_sequence,
            self.count,
            self.first_offset,
            self.enqueued_ms,
            self.data,
        )

    @property
    def starts(self) -> list[int]:
        """Where each record begins in the data."""
        if not self._starts:
            position = 0
            while position < len(self.data):
                self._starts.append(position)
                _, annotations, bare = _RECORD.unpack_from(self.data, position)
                position += _RECORD.size + annotations + bare
        return self._starts

    def sequence_from_offset(self, offset: int, *, inclusive: bool) -> int:
        """The first event at (or, exclusively, after) an offset; `next_sequence` when it is not in this block."""
        for index, start in enumerate(self.starts):
            at = self.first_offset + start
            if at > offset or (inclusive and at == offset):
                return self.first_sequence + index
        return self.next_sequence

    def message(self, sequence: int, delivery_annotations: bytes = b"") -> bytes:
        """One event as receivers get it, after an encoded delivery-annotations section if there is one."""
        start = self.starts[sequence - self.first_sequence]
        items, size, bare = _RECORD.unpack_from(self.data, start)
        at = start + _RECORD.size
        pairs = b"".join(
            (
                self.data[at : at + size],
                _SEQUENCE_AND_VALUE,
                _I64.pack(sequence),
                _OFFSET,
                encode(str(self.first_offset + start)),
                _TIME_AND_VALUE,
                _I64.pack(self.enqueued_ms),
            )
        )
        annotations = encode_described(_ANNOTATIONS, encode_pairs(pairs, items + 6))
        return delivery_annotations + annotations + self.data[at + size : at + size + bare]


def read_events(payload: bytes, message_format: int) -> EventBatch:
    """The events of one delivery. Raises DecodeError or AmqpError (argument-error)."""
    if message_format != BATCH_FORMAT:
        record, key = _record(payload, None)
        return EventBatch([record], key)
    key = None
    events: list[bytes] = []
    for code, start, end in sections(payload):
        if code == _ANNOTATIONS:
            key = _key(_annotations(payload[start:end])[1])
        elif code == _DATA:
            events.append(_binary(payload, start, end))
    records = _records(events, key)
    first_key = records[0][1] if records else None
    return EventBatch([record for record, _ in records], key or first_key)


def _records(events: Iterable[bytes], key: str | None) -> list[tuple[bytes, str | None]]:
    return [_record(event, key) for event in events]


def _binary(payload: bytes, start: int, end: int) -> bytes:
    code = payload[start]
    if code not in (0xA0, 0xB0):
        raise DecodeError("A data section is not binary.")
    return payload[start + (2 if code == 0xA0 else 5) : end]


def _record(event: bytes, batch_key: str | None) -> tuple[bytes, str | None]:
    """The stored record of one encoded message, and its partition key."""
    annotations, items, key = b"", 0, None
    bare_start = len(event)
    for code, start, end in sections(event):
        if code == _ANNOTATIONS:
            pairs, given = _annotations(event[start:end])
            annotations, items, key = b"".join(pairs), 2 * len(pairs), _key(given)
        elif code not in _HEADERS:
            bare_start = start - 3
            break
    if batch_key is not None and key is None:
        annotations += encode(Symbol(PARTITION_KEY)) + encode(batch_key)
        items += 2
    size = len(event) - bare_start
    return _RECORD.pack(items, len(annotations), size) + annotations + event[bare_start:], key


def _annotations(encoded: bytes) -> tuple[list[bytes], object]:
    """The pairs that are the sender's, and the partition key among them."""
    value, _ = decode(encoded)
    if not isinstance(value, dict):
        raise DecodeError("Message annotations are not a map.")
    pairs = [pair for key, pair in raw_pairs(encoded) if key not in _BROKER_ANNOTATIONS]
    return pairs, value.get(PARTITION_KEY)


def _key(value: object) -> str | None:
    if value is None:
        return None
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) > _MAX_KEY:
        raise AmqpError(Condition.ARGUMENT_ERROR, f"A partition key is a string of at most {_MAX_KEY} characters.")
    return text


def last_enqueued(sequence: int, offset: int, enqueued_ms: int, now_ms: int) -> bytes:
    """The delivery annotations of a receiver that tracks the partition's end."""
    values: dict[object, object] = {
        Symbol("last_enqueued_sequence_number"): Long(sequence),
        Symbol("last_enqueued_offset"): str(offset),
        Symbol("last_enqueued_time_utc"): Timestamp(enqueued_ms),
        Symbol("runtime_info_retrieval_time_utc"): Timestamp(now_ms),
    }
    return encode_described(_DELIVERY, encode(values))
