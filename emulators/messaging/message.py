"""Messages as AMQP sections (OASIS AMQP 1.0 part 3.2), cut apart on arrival and put together on delivery.

The body, the properties and the application properties are never rebuilt: they travel as the bytes that arrived. Only
the header and the message annotations are the broker's to write.
"""

import struct
from dataclasses import dataclass, replace
from uuid import UUID

from emulators.messaging.codec import (
    Symbol,
    Timestamp,
    UByte,
    UInt,
    decode,
    encode,
    encode_described,
    encode_pairs,
    skip,
)
from emulators.messaging.errors import AmqpError, Condition, DecodeError

BATCH_FORMAT = 0x80013700
LAST_TIMESTAMP_S = 253_402_214_400.0
"""9999-12-31, the service's "never"; PostgreSQL and AMQP both hold it."""
DEAD_LETTER_SOURCE = Symbol("x-opt-deadletter-source")
ENQUEUED_SEQUENCE = Symbol("x-opt-enqueue-sequence-number")
SCHEDULED_TIME = Symbol("x-opt-scheduled-enqueue-time")
_BROKER_ANNOTATIONS = frozenset(
    {
        "x-opt-sequence-number",
        "x-opt-enqueued-time",
        "x-opt-locked-until",
        "x-opt-lock-token",
        "x-opt-message-state",
        "x-opt-deadletter-source",
        "x-opt-enqueue-sequence-number",
    }
)
_HEADER, _DELIVERY, _ANNOTATIONS, _PROPERTIES, _APPLICATION, _DATA = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75
_FOOTER = 0x78
_MESSAGE_ID, _GROUP_ID = 0, 10
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Content:
    """What a sender sent. `annotations` is an encoded map body of `annotation_items` keys and values."""

    durable: bool
    priority: int
    ttl_ms: int | None
    annotations: bytes
    annotation_items: int
    bare: bytes

    @property
    def size(self) -> int:
        return len(self.annotations) + len(self.bare)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it arrived, with the properties that the broker acts on; `scheduled_at` in seconds since 1970."""

    content: Content
    message_id: str | None
    session_id: str | None
    scheduled_at: float | None


def read_messages(payload: bytes, message_format: int) -> list[Incoming]:
    """The messages of one delivery: one, or those of a batch (each data section an encoded message)."""
    if message_format != BATCH_FORMAT:
        return [read_message(payload)]
    parts = []
    for code, start, end in sections(payload):
        if code == _DATA:
            value, _ = decode(payload[start:end])
            if not isinstance(value, bytes):
                raise DecodeError("A data section is not binary.")
            parts.append(read_message(value))
    return parts


def read_message(payload: bytes) -> Incoming:
    """Cut one message apart. Raises DecodeError or AmqpError (argument-error)."""
    header: list[object] = []
    annotations: dict[object, object] = {}
    pairs, count = b"", 0
    properties: list[object] = []
    bare_start = len(payload)
    for code, start, end in sections(payload):
        if code == _HEADER:
            header = _list(payload, start)
        elif code == _ANNOTATIONS:
            annotations, pairs, count = _annotations(payload, start, end)
        elif code != _DELIVERY:
            bare_start = min(bare_start, start - 3)
            if code == _PROPERTIES:
                properties = _list(payload, start)
            elif code == _APPLICATION:
                _check_map(payload, start)
    content = Content(
        durable=_at(header, 0) is True,
        priority=_integer(_at(header, 1), 0xFF) or 4,
        ttl_ms=_integer(_at(header, 2), 0xFFFF_FFFF),
        annotations=pairs,
        annotation_items=count,
        bare=payload[bare_start:],
    )
    return Incoming(
        content,
        message_id=read_identifier(_at(properties, _MESSAGE_ID)),
        session_id=read_identifier(_at(properties, _GROUP_ID)),
        scheduled_at=_schedule(annotations.get(SCHEDULED_TIME)),
    )


def sections(payload: bytes) -> list[tuple[int, int, int]]:
    """(descriptor, start of the value, end) of every section; order is checked, so that `bare` is contiguous.

    Delivery annotations may stand anywhere: the SDKs write them behind the body, where the service leaves them.
    """
    found = []
    position, highest = 0, 0
    while position < len(payload):
        if len(payload) - position < 4 or payload[position : position + 2] != b"\x00\x53":
            raise DecodeError("A message section does not begin with a descriptor.")
        code = payload[position + 2]
        if not _HEADER <= code <= _FOOTER or (code < highest and code != _DELIVERY):
            raise DecodeError("A message has an unknown section, or sections out of order.")
        end = skip(payload, position + 3)
        found.append((code, position + 3, end))
        position, highest = end, max(highest, code)
    return found


def _list(payload: bytes, start: int) -> list[object]:
    value, _ = decode(payload, start)
    if not isinstance(value, list):
        raise DecodeError("A message section is not a list.")
    return value


def _check_map(payload: bytes, start: int) -> None:
    """Application properties are decoded later, when it is too late to refuse malformed ones."""
    value, _ = decode(payload, start)
    if not isinstance(value, dict):
        raise DecodeError("Application properties are not a map.")


def _annotations(payload: bytes, start: int, end: int) -> tuple[dict[object, object], bytes, int]:
    value, _ = decode(payload, start)
    if not isinstance(value, dict):
        raise DecodeError("Message annotations are not a map.")
    kept, count = bytearray(), 0
    for key, pair in raw_pairs(payload[start:end]):
        if key not in _BROKER_ANNOTATIONS:
            kept += pair
            count += 2
    return value, bytes(kept), count


def raw_pairs(encoded: bytes) -> list[tuple[object, bytes]]:
    """Keys of an encoded map, each with the bytes of the key and its value."""
    position = 3 if encoded[0] == 0xC1 else 9
    pairs = []
    while position < len(encoded):
        key, after_key = decode(encoded, position)
        end = skip(encoded, after_key)
        pairs.append((key, encoded[position:end]))
        position = end
    return pairs


def _at(items: list[object], index: int) -> object:
    return items[index] if index < len(items) else None


def _integer(value: object, highest: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest:
        return int(value)
    return None


def _schedule(value: object) -> float | None:
    if not isinstance(value, int):
        return None
    if value > LAST_TIMESTAMP_S * 1000:
        raise AmqpError(Condition.ARGUMENT_ERROR, "The scheduled enqueue time is too far in the future.")
    return value / 1000


def read_identifier(value: object) -> str | None:
    if value is None:
        return None
    text = value.hex() if isinstance(value, bytes) else str(value)
    if not isinstance(value, str | int | UUID | bytes) or "\x00" in text or len(text) > 128:
        raise AmqpError(Condition.ARGUMENT_ERROR, "MessageId and SessionId are at most 128 characters without NUL.")
    return text


def annotated(content: Content, name: Symbol, value: object) -> Content:
    """The content with one more annotation of the broker's, unless it has that one already."""
    known = raw_pairs(encode_pairs(content.annotations, content.annotation_items))
    if any(key == name for key, _ in known):
        return content
    pair = encode(name) + encode(value)
    return replace(content, annotations=content.annotations + pair, annotation_items=content.annotation_items + 2)


def as_dead_letter(content: Content, source: str, reason: str | None, description: str | None) -> Content:
    """The content of a dead letter that leaves the entity named `source`, with what its receivers would see of that."""
    bare = _with_dead_letter_properties(content.bare, reason, description)
    return annotated(replace(content, bare=bare), DEAD_LETTER_SOURCE, source)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the broker adds on delivery; times in seconds since 1970."""

    sequence: int
    enqueued_at: float
    delivery_count: int
    locked_until: float | None = None
    state: int = 0
    dead_letter_source: str | None = None
    dead_letter_reason: str | None = None
    dead_letter_description: str | None = None


def compose(content: Content, stamp: Stamp) -> bytes:
    """The encoded message as a receiver gets it."""
    header = [content.durable, UByte(content.priority), _ttl(content.ttl_ms), False, UInt(stamp.delivery_count)]
    pairs, count = _fixed_annotations(stamp), 6
    if stamp.locked_until is not None:
        pairs += _LOCKED_UNTIL + encode(Timestamp(stamp.locked_until * 1000))
        count += 2
    if stamp.dead_letter_source is not None:
        content = annotated(content, DEAD_LETTER_SOURCE, stamp.dead_letter_source)
    pairs = content.annotations + pairs
    count += content.annotation_items
    parts = (
        encode_described(_HEADER, encode(header)),
        encode_described(_ANNOTATIONS, encode_pairs(pairs, count)),
        _with_dead_letter_properties(content.bare, stamp.dead_letter_reason, stamp.dead_letter_description),
    )
    return b"".join(parts)


def _ttl(ttl_ms: int | None) -> UInt | None:
    return None if ttl_ms is None else UInt(ttl_ms)


_ENQUEUED_TIME = encode(Symbol("x-opt-enqueued-time"))
_SEQUENCE_NUMBER = encode(Symbol("x-opt-sequence-number"))
_STATE = encode(Symbol("x-opt-message-state"))
_LOCKED_UNTIL = encode(Symbol("x-opt-locked-until"))


def _fixed_annotations(stamp: Stamp) -> bytes:
    return b"".join(
        (
            _ENQUEUED_TIME,
            encode(Timestamp(stamp.enqueued_at * 1000)),
            _SEQUENCE_NUMBER,
            b"\x81" + struct.pack(">q", stamp.sequence),
            _STATE,
            b"\x71" + _U32.pack(stamp.state),
        )
    )


def _with_dead_letter_properties(bare: bytes, reason: str | None, description: str | None) -> bytes:
    """`bare`, with reason and description among the application properties when the message was dead-lettered."""
    added = {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
    new = {name: value for name, value in added.items() if value is not None}
    if not new:
        return bare
    before, old, after = around_application_properties(bare)
    kept = [pair for key, pair in old if key not in new]
    pairs = b"".join(kept) + b"".join(encode(name) + encode(value) for name, value in new.items())
    return before + encode_described(_APPLICATION, encode_pairs(pairs, 2 * (len(kept) + len(new)))) + after


def around_application_properties(bare: bytes) -> tuple[bytes, list[tuple[object, bytes]], bytes]:
    """What stands before the application properties, their pairs, and what stands after them."""
    boundary = 0
    for code, start, end in sections(bare):
        if code == _APPLICATION:
            return bare[: start - 3], raw_pairs(bare[start:end]), bare[end:]
        if code == _PROPERTIES:
            boundary = end
    return bare[:boundary], [], bare[boundary:]
