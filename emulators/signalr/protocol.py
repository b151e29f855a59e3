"""What the hub protocols have in common, the handshake, and the JSON protocol: records of JSON, each ended by 0x1E
(https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md).

Messages to clients are encoded once a protocol, WebSocket framing included: frames of a server carry no mask
(RFC 6455 5.1), so that every connection is written the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import orjson
from websockets.frames import Frame, Opcode

_END = b"\x1e"


class MessageType(IntEnum):
    """`type` of a hub message."""

    INVOCATION = 1
    STREAM_ITEM = 2
    COMPLETION = 3
    STREAM_INVOCATION = 4
    CANCEL_INVOCATION = 5
    PING = 6
    CLOSE = 7
    ACK = 8
    SEQUENCE = 9


INVOKES = frozenset({MessageType.INVOCATION, MessageType.STREAM_INVOCATION})


class ProtocolError(Exception):
    """A client broke the protocol; the words go into the Close message or the handshake's answer."""


@dataclass(frozen=True)
class Invocation:
    """Calls `target` on clients; they answer nothing."""

    target: str
    arguments: Sequence[Any]


class Cut(NamedTuple):
    """One record of what a client sent, and where the next one begins."""

    record: bytes
    following: int


class HubProtocol(Protocol):
    """How messages are written and read once the handshake has chosen it."""

    name: str
    opcode: Opcode
    """Of the WebSocket frames that carry it."""
    ping_frame: bytes

    def invocation_frame(self, invocation: Invocation) -> bytes:
        """The bytes that deliver an invocation to any connection of this protocol."""

    def close_frame(self, error: str | None, *, allow_reconnect: bool) -> bytes:
        """The message that the connection ends, and whether the client may reconnect."""

    def cut(self, data: bytes, start: int, limit: int) -> Cut | None:
        """The record that begins at `start`, None while it is not complete. Raises ProtocolError."""

    def message_type(self, record: bytes) -> int:
        """`type` of a client's message. Raises ProtocolError."""


class Records:
    """Cuts what a client sends into records; a record may span WebSocket messages, and a message hold several."""

    def __init__(self, limit: int) -> None:
        self.protocol: HubProtocol = JSON
        """Of what follows; the handshake itself is JSON."""
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The records that are now complete. Raises ProtocolError when an unfinished one passes the limit."""
        data, start = self._rest + data, 0
        while (cut := self.protocol.cut(data, start, self._limit)) is not None:
            start = cut.following
            yield cut.record
        self._rest = data[start:]
        if len(self._rest) > self._limit:
            raise too_large()


class JsonProtocol:
    """`HubProtocol` of text."""

    name = "json"
    opcode = Opcode.TEXT

    def __init__(self) -> None:
        self.ping_frame = _record_frame({"type": MessageType.PING}, self.opcode)

    def invocation_frame(self, invocation: Invocation) -> bytes:
        """See `HubProtocol.invocation_frame`."""
        message = {"target": invocation.target, "arguments": list(invocation.arguments)}
        return _record_frame({"type": MessageType.INVOCATION} | message, self.opcode)

    def close_frame(self, error: str | None, *, allow_reconnect: bool) -> bytes:
        """See `HubProtocol.close_frame`."""
        message: dict[str, Any] = {"type": MessageType.CLOSE}
        if error:
            message["error"] = error
        if allow_reconnect:
            message["allowReconnect"] = True
        return _record_frame(message, self.opcode)

    def cut(self, data: bytes, start: int, limit: int) -> Cut | None:  # noqa: ARG002
        """See `HubProtocol.cut`."""
        end = data.find(_END, start)
        return None if end < 0 else Cut(data[start:end], end + 1)

    def message_type(self, record: bytes) -> int:
        """See `HubProtocol.message_type`."""
        kind = _decoded(record).get("type")
        if not isinstance(kind, int) or isinstance(kind, bool):
            raise ProtocolError("Missing required property 'type'.")
        return kind


def handshake_frame(protocol: HubProtocol, error: str | None = None) -> bytes:
    """The answer to the handshake: JSON, in the frames of the protocol."""
    return _record_frame({"error": error} if error else {}, protocol.opcode)


def read_handshake(record: bytes, offered: Sequence[HubProtocol]) -> HubProtocol:
    """The protocol that the client chose, in its version 1. Raises ProtocolError."""
    request = _decoded(record)
    name, version = request.get("protocol"), request.get("version")
    chosen = next((protocol for protocol in offered if protocol.name == name), None)
    if chosen is None:
        raise ProtocolError(f"The protocol '{str(name)[:50]}' is not supported.")
    if version != 1:
        raise ProtocolError(f"The server does not support version {str(version)[:10]} of the '{name}' protocol.")
    return chosen


def too_large() -> ProtocolError:
    """A message passes the limit."""
    return ProtocolError("The message is larger than the service allows.")


def framed(payload: bytes, opcode: Opcode) -> bytes:
    """One unmasked WebSocket frame."""
    return Frame(opcode, payload).serialize(mask=False)


def _record_frame(message: dict[str, Any], opcode: Opcode) -> bytes:
    return framed(orjson.dumps(message) + _END, opcode)


def _decoded(record: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("Error reading JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolError("A message must be a JSON object.")
    return message


JSON = JsonProtocol()
