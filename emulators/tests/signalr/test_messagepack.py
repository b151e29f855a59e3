"""The MessagePack protocol, byte by byte as its specification has it, and beside clients that speak JSON."""

from typing import Any

import msgspec
import pytest
from websockets.frames import Opcode

from emulators.signalr.messagepack import MESSAGE_PACK
from emulators.signalr.protocol import Invocation, ProtocolError, Records
from emulators.tests.signalr.support import Service

_HANDSHAKE = b'{"protocol":"messagepack","version":1}\x1e'
_HEAD = 2
"""Bytes before the payload of a short WebSocket frame of a server."""


def test_messages_are_written_as_the_specification_shows() -> None:
    invocation = MESSAGE_PACK.invocation_frame(Invocation("method", [42, "x", None, 1.5, {"a": [True]}]))
    body = b"\x96\x01\x80\xc0\xa6method\x95\x2a\xa1x\xc0\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x81\xa1a\x91\xc3\x90"
    assert invocation == bytes([0x80 | Opcode.BINARY, len(body) + 1, len(body)]) + body
    assert MESSAGE_PACK.ping_frame[_HEAD:] == b"\x02\x91\x06"
    assert MESSAGE_PACK.close_frame(None, allow_reconnect=True)[_HEAD:] == b"\x04\x93\x07\xc0\xc3"
    assert MESSAGE_PACK.close_frame("no", allow_reconnect=False)[_HEAD:] == b"\x06\x93\x07\xa2no\xc2"
    long = MESSAGE_PACK.invocation_frame(Invocation("m", ["y" * 200]))
    assert long[4:6] == bytes([(len(long) - 6) & 0x7F | 0x80, (len(long) - 6) >> 7])


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_records_are_cut_wherever_the_messages_end(step: int) -> None:
    records, kinds = Records(1000), []
    sent = _HANDSHAKE + b"\x02\x91\x06" + b"\xc8\x01" + b"\x93\x07\xd9\xc3" + b"e" * 195 + b"\xc2" + b"\x02\x91\x06"
    for start in range(0, len(sent), step):
        for record in records.feed(sent[start : start + step]):
            if records.protocol is MESSAGE_PACK:
                kinds.append(MESSAGE_PACK.message_type(record))
            records.protocol = MESSAGE_PACK
    assert kinds == [6, 7, 6]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xff\xff\xff\xff\x01", "more than five bytes"),
        (b"\xe9\x07", "larger than the service allows"),
        (b"\x05\xdd\xff\xff\xff\xff", "Error reading MessagePack"),
        (b"\xe8\x07" + b"\x91" * 1000, "Error reading MessagePack"),
        (b"\x02\xa1\xff", "Error reading MessagePack"),
        (b"\x00", "Error reading MessagePack"),
        (b"\x01\x90", "begins with its type"),
        (b"\x02\x91\xc3", "begins with its type"),
        (b"\x01\x06", "begins with its type"),
    ],
)
def test_broken_messages_are_refused_with_the_reason(data: bytes, words: str) -> None:
    records = Records(1000)
    records.protocol = MESSAGE_PACK
    with pytest.raises(ProtocolError, match=words):
        list(map(MESSAGE_PACK.message_type, records.feed(data)))


def decoded(data: Any) -> list[Any]:
    assert isinstance(data, bytes)
    assert data[0] == len(data) - 1
    message: list[Any] = msgspec.msgpack.decode(data[1:])
    return message


async def test_both_protocols_get_the_same_values(service: Service) -> None:
    async with service.client("alice") as json_client, service.open("alice") as client:
        # A message may follow the handshake at once.
        await client.socket.send(_HANDSHAKE + b"\x02\x91\x06")
        assert await client.socket.recv() == b"{}\x1e"
        values = [{"price": "1500.05", "n": 2**53, "f": 0.1, "t": ["ü", None, False]}]
        await service.call("POST", "/api/v1/hubs/chat/users/alice", {"target": "quotes", "arguments": values})
        assert decoded(await client.socket.recv()) == [1, {}, None, "quotes", values, []]
        assert (await json_client.receive())["arguments"] == values
        await client.socket.send(b"\x07\x95\x01\x80\xc0\xa1m\x90")
        closing = decoded(await client.socket.recv())
        assert closing[0] == 7
        assert "serverless mode" in closing[1]
        await client.closed()
