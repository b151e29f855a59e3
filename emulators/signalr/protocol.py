"""The JSON hub protocol: records of JSON, each ended by 0x1E
(https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md).

Messages to clients are encoded once, WebSocket framing included: frames of a server carry no mask
(RFC 6455 5.1), so that every connection is written the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

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


class Records:
    """Cuts what a client sends into records; a record may span WebSocket messages, and a message hold several."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The records that are now complete. Raises ProtocolError when an unfinished one passes the limit."""
        *complete, self._rest = (self._rest + data).split(_END)
        if len(self._rest) > self._limit:
            raise ProtocolError("The message is larger than the service allows.")
        return complete


def invocation_frame(invocation: Invocation) -> bytes:
    """The bytes that deliver an invocation to any connection."""
    return record_frame(
        {"type": MessageType.INVOCATION, "target": invocation.target, "arguments": list(invocation.arguments)}
    )


def close_frame(error: str | None, *, allow_reconnect: bool) -> bytes:
    """The message that the connection ends, and whether the client may reconnect."""
    message: dict[str, Any] = {"type": MessageType.CLOSE}
    if error:
        message["error"] = error
    if allow_reconnect:
        message["allowReconnect"] = True
    return record_frame(message)


def handshake_frame(error: str | None = None) -> bytes:
    """The answer to the handshake."""
    return record_frame({"error": error} if error else {})


def record_frame(message: dict[str, Any]) -> bytes:
    """One record as one unmasked text frame."""
    return Frame(Opcode.TEXT, orjson.dumps(message) + _END).serialize(mask=False)


PING_FRAME = record_frame({"type": MessageType.PING})


def check_handshake(record: bytes) -> None:
    """Accept the JSON protocol's version 1. Raises ProtocolError."""
    request = _decoded(record)
    name, version = request.get("protocol"), request.get("version")
    if name != "json":
        raise ProtocolError(f"The protocol '{str(name)[:50]}' is not supported.")
    if version != 1:
        raise ProtocolError(f"The server does not support version {str(version)[:10]} of the 'json' protocol.")


def message_type(record: bytes) -> int:
    """`type` of a client's message. Raises ProtocolError."""
    kind = _decoded(record).get("type")
    if not isinstance(kind, int) or isinstance(kind, bool):
        raise ProtocolError("Missing required property 'type'.")
    return kind


def _decoded(record: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("Error reading JSON.") from error
    if not isinstance(message, dict):
        raise ProtocolError("A message must be a JSON object.")
    return message
