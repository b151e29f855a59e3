"""AMQP frames (OASIS AMQP 1.0 part 2.3): size, data offset, type, channel, body."""

import struct
from dataclasses import dataclass

from emulators.messaging.codec import decode
from emulators.messaging.errors import Condition, ProtocolError
from emulators.messaging.performatives import Performative, read_performative, write_performative

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
HEADER_SIZE = 8
EMPTY_FRAME = struct.pack(">IBBH", 8, 2, 0, 0)
AMQP_TYPE = 0
SASL_TYPE = 1
_HEADER = struct.Struct(">IBBH")


@dataclass(frozen=True, slots=True)
class Frame:
    """One received frame; an empty one (heartbeat) has no performative."""

    type: int
    channel: int
    performative: Performative | None
    payload: bytes


class FrameBuffer:
    """Cuts a byte stream into protocol headers and frames, never holding more than one frame's limit beyond a read."""

    def __init__(self, max_frame_size: int) -> None:
        self._limit = max_frame_size
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        self._data += data

    def next_header(self) -> bytes | None:
        """The next 8 bytes, when they are there."""
        if len(self._data) < HEADER_SIZE:
            return None
        return self._cut(HEADER_SIZE)

    def next_frame(self) -> Frame | None:
        """The next whole frame, when it is there. Raises ProtocolError for malformed ones."""
        if len(self._data) < HEADER_SIZE:
            return None
        size, offset, kind, channel = _HEADER.unpack_from(self._data)
        if size < HEADER_SIZE or size > self._limit or not HEADER_SIZE <= 4 * offset <= size:
            raise ProtocolError(Condition.FRAMING_ERROR, f"A frame of {size} bytes is not allowed.")
        if len(self._data) < size:
            return None
        return _parse(kind, channel, self._cut(size), 4 * offset)

    def _cut(self, size: int) -> bytes:
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken


def _parse(kind: int, channel: int, frame: bytes, offset: int) -> Frame:
    if len(frame) == offset:
        return Frame(kind, channel, None, b"")
    value, end = decode(frame, offset)
    return Frame(kind, channel, read_performative(value), frame[end:])


def write_frame(performative: Performative, channel: int = 0, payload: bytes = b"", kind: int = AMQP_TYPE) -> bytes:
    """A whole frame."""
    body = write_performative(performative)
    return _HEADER.pack(HEADER_SIZE + len(body) + len(payload), 2, kind, channel) + body + payload
