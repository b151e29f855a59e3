"""The type system, messages, tokens, configuration, and hostile bytes."""

import asyncio
import base64
import hmac
import random
import struct
import time
from urllib.parse import quote_plus
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from emulators.messaging.cbs import SharedKey, TokenError, verify_token
from emulators.messaging.codec import (
    MAX_DEPTH,
    Array,
    Described,
    Int,
    Long,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    decode,
    encode,
    encode_described,
    skip,
)
from emulators.messaging.entities import ConfigError, parse_config
from emulators.messaging.errors import AmqpError, DecodeError
from emulators.messaging.frames import AMQP_HEADER, SASL_HEADER, write_frame
from emulators.messaging.message import Stamp, compose, read_message
from emulators.messaging.performatives import (
    ACCEPTED,
    Attach,
    Begin,
    Disposition,
    Flow,
    Open,
    Performative,
    SaslInit,
    Transfer,
    read_performative,
    write_performative,
    write_source,
    write_target,
)
from emulators.messaging.server import MessagingServer

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=300),
    st.binary(max_size=300),
    st.uuids(),
    st.floats(allow_nan=False),
    st.integers(0, 0xFF).map(UByte),
    st.integers(0, 0xFFFF).map(UShort),
    st.integers(0, 0xFFFF_FFFF).map(UInt),
    st.integers(0, 2**64 - 1).map(ULong),
    st.integers(-(2**31), 2**31 - 1).map(Int),
    st.integers(-(2**63), 2**63 - 1).map(Long),
    st.integers(0, 2**50).map(Timestamp),
    st.text(st.characters(max_codepoint=127), max_size=50).map(Symbol),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=5), inner, max_size=5),
        st.builds(Described, st.integers(0, 300).map(ULong), scalars),
    ),
    max_leaves=20,
)


@given(values)
def test_every_value_survives_encoding_and_decoding(value: object) -> None:
    encoded = encode(value)
    assert decode(encoded) == (value, len(encoded))
    assert skip(encoded, 0) == len(encoded)


@given(st.binary(max_size=200))
@settings(max_examples=1000)
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        _, end = decode(data)
    except DecodeError:
        return
    assert 0 < end <= len(data)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_payload_is_read_or_refused(data: bytes) -> None:
    for payload in (data, b"\x00\x53\x72" + data, b"\x00\x53\x73" + data):
        try:
            message = read_message(payload)
        except AmqpError:
            continue
        compose(message.content, Stamp(1, 0.0, 0, dead_letter_reason="r"))


@pytest.mark.parametrize("items", [[], [Symbol("a"), Symbol("bc")], [Long(-1)], [Timestamp(5)]])
def test_arrays_of_one_type_round_trip(items: list[object]) -> None:
    assert decode(encode(Array(items)))[0] == items


@pytest.mark.parametrize(
    "data",
    [
        b"\xc0\x01" * MAX_DEPTH * 2,
        b"\x00" * 5000,
        b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff",
        b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
        b"\xb0\xff\xff\xff\xff",
        b"\xa1\x02\xff\xff",
        b"\xc1\x04\x02\x45\x40\x00",
        b"\xc1\x02\x01\x40",
        b"\x3f",
        b"",
    ],
)
def test_malformed_values_are_refused_before_they_cost(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


@pytest.mark.parametrize(
    "performative",
    [
        Open("c", "h", 512, 7, 1000),
        Begin(None, 1, 2, 3),
        Attach("l", 0, role=True, source=write_source("q", {Symbol("f"): "v"}), target=write_target("t")),
        Flow(None, 1, 2, 3, 4, 5, 6, drain=True),
        Transfer(1, 2, b"tag", 0, settled=False, more=True),
        Disposition(role=True, first=1, last=5, settled=True),
    ],
)
def test_performatives_round_trip_with_all_fields(performative: Performative) -> None:
    encoded = write_performative(performative)
    value, _ = decode(encoded)
    assert read_performative(value) == performative
    assert isinstance(value, Described)
    assert isinstance(value.value, list)
    assert len(value.value) == len(performative.KINDS)


def test_performative_with_a_wrong_field_type_is_refused() -> None:
    with pytest.raises(DecodeError, match="a string"):
        read_performative(Described(0x10, [7]))
    with pytest.raises(DecodeError, match="mandatory"):
        read_performative(Described(0x12, ["name"]))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "Bearer x",
        "SharedAccessSignature sr=a",
        "SharedAccessSignature sr=a&sig=b&se=soon&skn=n",
        "SharedAccessSignature sr=sb%3A%2F%2Fh%2Fq&sig=%ff&se=99999999999&skn=n",
        "SharedAccessSignature sr=sb%3A%2F%2Fh%2Fq&sig=é&se=99999999999&skn=n",
    ],
)
def test_forged_tokens_prove_nothing(token: str) -> None:
    with pytest.raises(TokenError):
        verify_token(token, SharedKey("n", "key"))


def test_emulator_config_file_is_understood() -> None:
    text = """{"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [{"Name": "q.1", "Properties": {
        "DeadLetteringOnMessageExpiration": false, "DefaultMessageTimeToLive": "PT1H",
        "DuplicateDetectionHistoryTimeWindow": "PT20S", "ForwardTo": "", "LockDuration": "PT1M",
        "MaxDeliveryCount": 3, "RequiresDuplicateDetection": true, "RequiresSession": true}}],
        "Topics": [{"Name": "t", "Properties": {}}]}], "Logging": {"Type": "File"}}}"""
    entities = parse_config(text)
    [queue] = entities.queues
    assert [topic.name for topic in entities.topics] == ["t"]
    assert queue.name == "q.1"
    assert queue.properties.lock_duration.total_seconds() == 60
    assert queue.properties.duplicate_detection_history_time_window.total_seconds() == 20
    assert (queue.properties.max_delivery_count, queue.properties.requires_session) == (3, True)


def test_event_hubs_emulator_config_is_understood() -> None:
    """https://github.com/Azure/azure-event-hubs-emulator-installer Config.json"""
    text = """{"UserConfig": {"NamespaceConfig": [{"Type": "EventHub", "Name": "emulatorNs1", "Entities": [
        {"Name": "eh1", "PartitionCount": "2", "ConsumerGroups": [{"Name": "cg1"}]}]}],
        "LoggingConfig": {"Type": "File"}}}"""
    [hub] = parse_config(text).event_hubs
    assert (hub.name, hub.partition_count, [group.name for group in hub.consumer_groups]) == ("eh1", 2, ["cg1"])


@pytest.mark.parametrize(
    "entity", ['{"Name": "h", "PartitionCount": 33}', '{"Name": ""}', '{"Name": "h"}, {"Name": "H"}']
)
def test_unusable_hubs_are_refused(entity: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(f'{{"UserConfig": {{"NamespaceConfig": [{{"Entities": [{entity}]}}]}}}}')


@pytest.mark.parametrize(
    "queues",
    [
        '{"Name": ""}',
        '{"Name": "a/$deadletterqueue"}',
        '{"Name": "a"}, {"Name": "A"}',
        '{"Name": "a", "Properties": {"LockDuration": "PT6M"}}',
        '{"Name": "a", "Properties": {"MaxDeliveryCount": 0}}',
        '{"Name": "a", "Properties": {"ForwardTo": "b"}}',
    ],
)
def test_unusable_config_is_refused_with_its_reason(queues: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(f'{{"UserConfig": {{"Namespaces": [{{"Queues": [{queues}]}}]}}}}')


def _put_token(key: str) -> bytes:
    """A request for $cbs that proves `key` for the whole namespace."""
    expiry = int(time.time()) + 600
    signature = hmac.digest(key.encode(), f"sb%3A%2F%2Fhost%2F\n{expiry}".encode(), "sha256")
    quoted = quote_plus(base64.b64encode(signature))
    token = f"SharedAccessSignature sr=sb%3A%2F%2Fhost%2F&sig={quoted}&se={expiry}&skn=RootManageSharedAccessKey"
    headers = {"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": "sb://host/"}
    return b"".join(
        encode_described(code, encode(value)) for code, value in ((0x73, [UUID(int=1)]), (0x74, headers), (0x77, token))
    )


def _links(address: str, handle: int) -> bytes:
    """Attach a sender and a receiver with credit."""
    frames = [
        Attach(f"s{handle}", handle, role=False, source=write_source("s", None), target=write_target(address)),
        Attach(f"r{handle}", handle + 1, role=True, source=write_source(address, None), target=write_target("r")),
        Flow(0, 100, 0, 100, handle + 1, 0, 10),
    ]
    return b"".join(write_frame(frame) for frame in frames)


def _conversation() -> list[tuple[bytes, bytes]]:
    """What a valid client sends step by step, each with what it waits for before the next."""
    message = encode_described(0x73, encode(["id"])) + encode_described(0x75, encode(b"body"))
    peek = {"from-sequence-number": Long(1), "message-count": Int(5)}
    request = b"".join(
        encode_described(code, encode(value))
        for code, value in ((0x73, [ULong(9)]), (0x74, {"operation": "com.microsoft:peek-message"}), (0x77, peek))
    )
    return [
        (SASL_HEADER + write_frame(SaslInit("ANONYMOUS"), kind=1) + AMQP_HEADER, AMQP_HEADER),
        (write_frame(Open("fuzz")) + write_frame(Begin(None, 0, 100, 100)) + _links("$cbs", 0), b"\x53\x13"),
        (write_frame(Transfer(0, 0, b"t", 0, settled=False), payload=_put_token("SAS_KEY_VALUE")), b"status-code"),
        (_links("plain", 2) + _links("plain/$management", 4), b"batch-size"),
        (
            write_frame(Transfer(2, 1, b"m", 0, settled=False), payload=message)
            + write_frame(Transfer(4, 2, b"q", 0, settled=False), payload=request)
            + write_frame(Disposition(role=True, first=0, last=0xFFFF_FFFF, settled=True, state=ACCEPTED)),
            b"statusCode",
        ),
    ]


async def _converse(port: int, steps: list[tuple[bytes, bytes]]) -> None:
    """Say each step; the last one need not be answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for data, answer in steps[:-1]:
            writer.write(data)
            await asyncio.wait_for(reader.readuntil(answer), 10)
        writer.write(steps[-1][0])
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        pass
    finally:
        writer.close()


def _damage(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        damaged[chance.randrange(len(damaged))] = chance.choice((0, 0x40, 0xFF, chance.randrange(256)))
    return bytes(damaged[: chance.randint(1, len(damaged))])


async def test_hostile_bytes_end_their_own_connection_only(server: MessagingServer) -> None:
    chance = random.Random(20261122)
    conversation = _conversation()
    with capture_logs() as logs:
        for _ in range(1500):
            depth = chance.randrange(len(conversation))
            data, answer = conversation[depth]
            await _converse(server.port, [*conversation[:depth], (_damage(data, chance), answer)])
        # Whatever happened before, a valid client is served to the end.
        await _converse(server.port, [*conversation, (b"", b"")])
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_endless_frame_is_refused_at_its_header(server: MessagingServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(AMQP_HEADER + struct.pack(">IBBH", 0xFFFF_FFFF, 2, 0, 0))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert b"amqp:connection:framing-error" in answer
