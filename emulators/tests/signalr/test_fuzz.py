"""Hostile bytes: whatever is sent ends at most its own connection, and nothing is logged as a fault.

SIGNALR_FUZZ_CASES=100000 makes this the long suite; the seed of each round is in its name.
"""

import asyncio
import logging
import os
import random
import struct

import pytest

from emulators.signalr.limits import Limits
from emulators.tests.signalr.support import HANDSHAKE, Service, running

_ROUNDS = 4
_CASES = int(os.environ.get("SIGNALR_FUZZ_CASES", "2000")) // _ROUNDS
_TOGETHER = 20
_LIMITS = Limits(max_message_bytes=4096, max_queued_bytes=100_000, close_timeout_s=0.5)

_RECORDS = [
    HANDSHAKE.encode(),
    b'{"type":6}\x1e',
    b'{"type":1,"target":"x","arguments":[]}\x1e',
    b'{"type":7}\x1e',
    b'{"type":3,"invocationId":"1"}\x1e',
    b"[" * 900 + b"\x1e",
    b'{"type":1e400}\x1e',
    b'{"protocol":"json","version":1}',
    b"\x1e\x1e\x1e",
    b"\xff\xfe\x1e",
    b'{"protocol":"messagepack","version":1}\x1e',
    b"\x02\x91\x06",
    b"\x04\x93\x07\xc0\xc2",
    b"\x05\xdd\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\x01",
    b"\xdc\x07" + b"\x91" * 988,
]


def _frame(chance: random.Random) -> bytes:
    """A WebSocket frame that is right, or wrong in any of its fields."""
    payload = b"".join(chance.choices(_RECORDS, k=chance.randrange(3)))
    if chance.random() < 0.3:
        payload = bytearray(payload + chance.randbytes(chance.randrange(200)))
        for _ in range(chance.randrange(4)):
            if payload:
                payload[chance.randrange(len(payload))] = chance.randrange(256)
    right = chance.random() < 0.6
    first = 0x81 if right else chance.randrange(256)
    masked = 0x80 if right or chance.random() < 0.7 else 0
    length = len(payload) if right or chance.random() < 0.7 else chance.choice([0, 5, 125, 65535, 2**31, 2**63 - 1])
    head = bytes([first])
    if length < 126:
        head += bytes([masked | length])
    elif length < 65536:
        head += bytes([masked | 126]) + struct.pack("!H", length)
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", length)
    return head + (bytes(4) if masked else b"") + bytes(payload)


def _request(chance: random.Random, service: Service) -> bytes:
    """An upgrade, a REST call, or what only looks like one."""
    port = service.url.rpartition(":")[2]
    upgrade = (
        f"GET /client/?hub=chat&access_token={service.token('hostile')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    if chance.random() < 0.7:
        return upgrade
    path = chance.choice(["/api/v1/hubs/chat", "/api/hubs//:send", "/client/negotiate?hub=%", "/%ff%00", "/api/hubs"])
    call = f"{chance.choice(['POST', 'PUT', 'HEAD', 'X'])} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
    damaged = bytearray(chance.choice([upgrade, call.encode()]))
    for _ in range(chance.randrange(6)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


async def _attack(chance: random.Random, service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
    try:
        writer.write(_request(chance, service))
        if chance.random() < 0.9:
            async with asyncio.timeout(0.3):
                await reader.read(1000)
        for _ in range(chance.randrange(1, 5)):
            writer.write(_frame(chance))
        if chance.random() < 0.5:
            writer.write_eof()
        async with asyncio.timeout(0.02):
            await reader.read(1000)
    except (TimeoutError, OSError):
        return  # cut off or left waiting: both are the attacker's trouble
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("seed", range(_ROUNDS))
async def test_hostile_bytes_harm_nobody_else(
    seed: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    async with running(_LIMITS) as service, service.client("bystander") as bystander:
        for number in range(0, _CASES, _TOGETHER):
            await asyncio.gather(*(_attack(chance, service) for _ in range(_TOGETHER)))
            if number % (_TOGETHER * 5) == 0:
                await service.call("POST", "/api/v1/hubs/chat/users/bystander", {"target": "t", "arguments": [number]})
                assert (await bystander.receive())["arguments"] == [number]
                await bystander.send({"type": 6})
        await service.eventually(lambda: len(service.registry._open) == 1)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert "A connection failed" not in capsys.readouterr().out
