"""What hostile clients say: valid conversations, and ways to damage their last step."""

import base64
import hmac
import random
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus
from uuid import UUID

from emulators.messaging.codec import Described, Int, Long, Symbol, Timestamp, UInt, ULong, encode, encode_described
from emulators.messaging.frames import AMQP_HEADER, SASL_HEADER, write_frame
from emulators.messaging.performatives import (
    ACCEPTED,
    Attach,
    Begin,
    Disposition,
    Flow,
    Open,
    SaslInit,
    Transfer,
    write_source,
    write_target,
)
from emulators.messaging.server import DEFAULT_KEY, DEFAULT_KEY_NAME

_BATCH = 0x80013700

# --- valid conversations --------------------------------------------------------------------------------------------


def _sections(*parts: tuple[int, object]) -> bytes:
    return b"".join(encode_described(code, encode(value)) for code, value in parts)


def _put_token() -> bytes:
    resource, expiry = quote_plus("sb://host/"), int(time.time()) + 3600
    signature = base64.b64encode(hmac.digest(DEFAULT_KEY.encode(), f"{resource}\n{expiry}".encode(), "sha256"))
    token = f"SharedAccessSignature sr={resource}&sig={quote_plus(signature)}&se={expiry}&skn={DEFAULT_KEY_NAME}"
    headers = {"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": "sb://host/"}
    return _sections((0x73, [UUID(int=1)]), (0x74, headers), (0x77, token))


def _links(address: str, handle: int, receive_from: str | None = None, selector: str | None = None) -> bytes:
    """A sender, and a receiver with credit."""
    filters: dict[object, object] | None = None
    if selector is not None:
        name = Symbol("apache.org:selector-filter:string")
        filters = {name: Described(name, selector)}
    frames = [
        Attach(f"s{handle}", handle, role=False, source=write_source("s", None), target=write_target(address)),
        Attach(
            f"r{handle}",
            handle + 1,
            role=True,
            source=write_source(receive_from or address, filters),
            target=write_target("r"),
        ),
        Flow(0, 100, 0, 100, handle + 1, 0, 10),
    ]
    return b"".join(write_frame(frame) for frame in frames)


def _transfer(handle: int, delivery: int, payload: bytes, message_format: int = 0) -> bytes:
    return write_frame(Transfer(handle, delivery, b"t", message_format, settled=False), payload=payload)


_OPENING = [
    (SASL_HEADER + write_frame(SaslInit("ANONYMOUS"), kind=1) + AMQP_HEADER, AMQP_HEADER),
    (write_frame(Open("fuzz")) + write_frame(Begin(None, 0, 100, 100)) + _links("$cbs", 0), b"\x53\x13"),
    (_transfer(0, 0, _put_token()), b"status-code"),
]
_MESSAGE = _sections(
    (0x70, [True, None, UInt(60_000)]),
    (0x72, {Symbol("x-opt-partition-key"): "key"}),
    (0x73, ["id", None, "to", "label"]),
    (0x74, {"color": "blue", "quantity": Long(10)}),
    (0x75, b"body"),
)
_EVENTS = _sections((0x72, {Symbol("x-opt-partition-key"): "key"}), (0x75, _MESSAGE), (0x75, _MESSAGE))
_SETTLE_ALL = write_frame(Disposition(role=True, first=0, last=0xFFFF_FFFF, settled=True, state=ACCEPTED))


def _request(operation: str, body: dict[object, object], handle: int, delivery: int = 2) -> bytes:
    headers = {"operation": f"com.microsoft:{operation}", "com.microsoft:server-timeout": UInt(1000)}
    return _transfer(handle, delivery, _sections((0x73, [ULong(9)]), (0x74, headers), (0x77, body)))


_RULE = {"sql-filter": {"expression": "color = 'blue'"}, "sql-rule-action": {"expression": "SET a = 1"}}
_REQUESTS: dict[str, dict[object, object]] = {
    "peek-message": {"from-sequence-number": Long(1), "message-count": Int(5)},
    "renew-lock": {"lock-tokens": [UUID(int=5)]},
    "schedule-message": {"messages": [{"message-id": "m", "message": _MESSAGE}]},
    "cancel-scheduled-message": {"sequence-numbers": [Long(1)]},
    "receive-by-sequence-number": {"sequence-numbers": [Long(1)], "receiver-settle-mode": UInt(1)},
    "update-disposition": {"disposition-status": "completed", "lock-tokens": [UUID(int=5)]},
    "get-session-state": {"session-id": "s"},
    "set-session-state": {"session-id": "s", "session-state": b"x"},
    "get-message-sessions": {"skip": Int(0), "top": Int(10), "last-updated-time": Timestamp(0)},
    "add-rule": {"rule-name": "r", "rule-description": _RULE},
    "remove-rule": {"rule-name": "r"},
    "enumerate-rules": {"skip": Int(0), "top": Int(10)},
}


def conversation(chance: random.Random) -> list[tuple[bytes, bytes]]:
    """What a valid client sends, each with what it waits for before the next."""
    kind = chance.choice(("queue", "topic", "hub", "management"))
    if kind == "queue":
        return [*_OPENING, (_links("plain", 2), b"batch-size"), (_transfer(2, 1, _MESSAGE) + _SETTLE_ALL, b"\x53\x15")]
    if kind == "topic":
        links = _links("topic", 2, "topic/Subscriptions/sub")
        return [*_OPENING, (links, b"batch-size"), (_transfer(2, 1, _MESSAGE) + _SETTLE_ALL, b"\x53\x15")]
    if kind == "hub":
        selector = chance.choice(
            ("amqp.annotation.x-opt-offset > '-1'", "amqp.annotation.x-opt-sequence-number >= '0'")
        )
        links = _links("hub/Partitions/0", 2, "hub/ConsumerGroups/$Default/Partitions/0", selector)
        return [*_OPENING, (links, b"batch-size"), (_transfer(2, 1, _EVENTS, _BATCH) + _SETTLE_ALL, b"\x53\x15")]
    operation = chance.choice(list(_REQUESTS))
    node = chance.choice(("plain", "lanes", "topic/Subscriptions/sub", "topic/Subscriptions/sub")) + "/$management"
    links = _links(node, 2) + _links("topic", 4, "topic/Subscriptions/sub")
    return [*_OPENING, (links, b"batch-size"), (_request(operation, _REQUESTS[operation], 2), b"statusCode")]


# --- damage ---------------------------------------------------------------------------------------------------------


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced, and often the rest cut off."""
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        damaged[chance.randrange(len(damaged))] = chance.choice((0, 0x40, 0xFF, chance.randrange(256)))
    return bytes(damaged[: chance.randint(1, len(damaged))]) if chance.random() < 0.5 else bytes(damaged)


def _value(chance: random.Random, depth: int = 0) -> object:
    """Any value that can be encoded."""
    simple: list[Callable[[], object]] = [
        lambda: None,
        lambda: chance.random() < 0.5,
        lambda: "".join(chance.choices("aé%_'[]\x00 =", k=chance.choice((0, 1, 5, 300)))),
        lambda: chance.randbytes(chance.choice((0, 1, 16, 300))),
        lambda: UInt(chance.choice((0, 1, 0xFFFF_FFFF))),
        lambda: Long(chance.choice((-(1 << 63), -1, 0, 1, (1 << 63) - 1))),
        lambda: Int(chance.choice((-1, 0, 1))),
        lambda: ULong(chance.choice((0, 0x24, (1 << 64) - 1))),
        lambda: Timestamp(chance.choice((-(1 << 63), 0, (1 << 63) - 1))),
        lambda: chance.choice((0.0, -1.5, float("inf"), float("nan"))),
        lambda: Symbol("symbol"),
        lambda: UUID(int=chance.getrandbits(128)),
    ]
    if depth > 2 or chance.random() < 0.6:
        return chance.choice(simple)()
    inner = [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return chance.choice(
        [inner, {_key(chance): value for value in inner}, Described(ULong(0x24), inner), Described(Symbol("x"), None)]
    )


def _key(chance: random.Random) -> object:
    return chance.choice(("color", "message", "lock-tokens", Symbol("x-opt-partition-key"), Long(1), b"raw", None))


def _wrong_frame(chance: random.Random) -> bytes:
    """A performative whose fields are anything."""
    fields = [_value(chance) for _ in range(chance.randrange(15))]
    body = encode_described(chance.choice((0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x40)), encode(fields))
    payload = chance.choice((b"", _MESSAGE, chance.randbytes(20)))
    return (8 + len(body) + len(payload)).to_bytes(4) + b"\x02\x00\x00\x00" + body + payload


def _wrong_message(chance: random.Random) -> bytes:
    """A message whose sections are anything, in any order."""
    codes = [chance.choice((0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x99)) for _ in range(4)]
    if chance.random() < 0.7:
        codes.sort()
    return _transfer(2, 1, _sections(*((code, _value(chance)) for code in codes)), chance.choice((0, _BATCH)))


_WORDS = "color quantity sys.Label user. [x] \"y\" 'z' 5 1.5 -1 ( ) , AND OR NOT IN LIKE ESCAPE IS NULL = <> < + * / % EXISTS".split()  # noqa: E501, SIM905


def _operand(chance: random.Random) -> str:
    simple = (
        "color",
        "quantity",
        "absent",
        "sys.Label",
        "sys.Nothing",
        "'blue'",
        "'b%'",
        "5",
        "0",
        "1.5",
        "TRUE",
        "NULL",
    )
    if chance.random() < 0.7:
        return chance.choice(simple)
    return f"({_operand(chance)} {chance.choice('+-*/%')} {_operand(chance)})"


def _predicate(chance: random.Random) -> str:
    """An expression that parses, whatever it then means."""
    if chance.random() < 0.3:
        return f"({_predicate(chance)}) {chance.choice(('AND', 'OR', 'AND NOT'))} ({_predicate(chance)})"
    left, right = _operand(chance), _operand(chance)
    forms = (
        "{} = {}",
        "{} <> {}",
        "{} >= {}",
        "{} LIKE {}",
        "{} NOT LIKE {} ESCAPE '%'",
        "{} IN ({}, 7)",
        "{} IS NULL",
    )
    return chance.choice(forms).format(left, right)


def _wrong_rule(chance: random.Random) -> bytes:
    """A rule of random words, or of words in order, for a later message to be tried on."""
    words = " ".join(chance.choices(_WORDS, k=chance.randint(1, 60)))
    expression = words if chance.random() < 0.3 else _predicate(chance)
    action = " ".join(["SET", *chance.choices(_WORDS, k=5)])
    rule: dict[object, object] = {"sql-filter": {"expression": expression}}
    if chance.random() < 0.3:
        rule["sql-rule-action"] = {"expression": action}
    return _request("add-rule", {"rule-name": str(chance.random()), "rule-description": rule}, 2)


def _wrong_request(chance: random.Random) -> bytes:
    """An operation whose arguments are anything."""
    operation = chance.choice(list(_REQUESTS))
    body = {name: _value(chance) if chance.random() < 0.7 else value for name, value in _REQUESTS[operation].items()}
    return _request(operation, body, 2)


def hostile(chance: random.Random, valid: bytes) -> Iterator[bytes]:
    """What the client says instead of the valid step."""
    kinds: list[Callable[[], bytes]] = [
        lambda: _damaged(valid, chance),
        lambda: _wrong_frame(chance),
        lambda: _wrong_message(chance),
        lambda: _wrong_request(chance),
        lambda: _wrong_rule(chance) + _transfer(4, 3, _MESSAGE),
        lambda: valid + valid,
    ]
    weights = (2, 1, 3, 3, 3, 1)
    for _ in range(chance.randint(1, 4)):
        yield chance.choices(kinds, weights)[0]()
