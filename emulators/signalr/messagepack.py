"""The MessagePack protocol: arrays, each after its length as a VarInt
(https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md#messagepack-msgpack-encoding).

What a REST call brings as JSON travels as the MessagePack of the same values, as in the service.
"""

from typing import Any

import msgspec
from websockets.frames import Opcode

from emulators.signalr.protocol import JSON, Cut, HubProtocol, Invocation, MessageType, ProtocolError, framed, too_large

_LONGEST_LENGTH = 5
"""A length is below 2 GB: five times seven bits."""
_MORE, _BITS = 0x80, 0x7F
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder()


class MessagePackProtocol:
    """`HubProtocol` of bytes."""

    name = "messagepack"
    opcode = Opcode.BINARY

    def __init__(self) -> None:
        self.ping_frame = self._frame([MessageType.PING])

    def invocation_frame(self, invocation: Invocation) -> bytes:
        """See `HubProtocol.invocation_frame`."""
        headers: dict[str, str] = {}
        streams: list[str] = []
        return self._frame(
            [MessageType.INVOCATION, headers, None, invocation.target, list(invocation.arguments), streams]
        )

    def close_frame(self, error: str | None, *, allow_reconnect: bool) -> bytes:
        """See `HubProtocol.close_frame`."""
        return self._frame([MessageType.CLOSE, error or None, allow_reconnect])

    def cut(self, data: bytes, start: int, limit: int) -> Cut | None:
        """See `HubProtocol.cut`."""
        length = 0
        for place in range(_LONGEST_LENGTH):
            if start + place >= len(data):
                return None
            byte = data[start + place]
            length |= (byte & _BITS) << (7 * place)
            if not byte & _MORE:
                break
        else:
            raise ProtocolError("A message's length has more than five bytes.")
        if length > limit:
            raise too_large()
        begin = start + place + 1
        end = begin + length
        return None if end > len(data) else Cut(data[begin:end], end)

    def message_type(self, record: bytes) -> int:
        """See `HubProtocol.message_type`."""
        try:
            message = _decoder.decode(record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError("Error reading MessagePack.") from error
        kind = message[0] if isinstance(message, list) and message else None
        if not isinstance(kind, int) or isinstance(kind, bool):
            raise ProtocolError("A message must be an array that begins with its type.")
        return kind

    def _frame(self, message: list[Any]) -> bytes:
        body = _encoder.encode(message)
        return framed(_length(len(body)) + body, self.opcode)


def _length(size: int) -> bytes:
    """As a VarInt: seven bits a byte, the lowest first, all but the last marked."""
    written = bytearray()
    while size > _BITS:
        written.append(size & _BITS | _MORE)
        size >>= 7
    written.append(size)
    return bytes(written)


MESSAGE_PACK = MessagePackProtocol()
OFFERED: tuple[HubProtocol, ...] = (JSON, MESSAGE_PACK)


class Message(dict[HubProtocol, bytes]):
    """One invocation for any connections: what a connection of each protocol is written, encoded at most once."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    def __missing__(self, protocol: HubProtocol) -> bytes:
        frame = self[protocol] = protocol.invocation_frame(self._invocation)
        return frame
