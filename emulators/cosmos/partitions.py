"""Where items belong: from the partition key's values to a place in the container, and to one of its ranges.

The place begins with the effective partition key, as the SDKs compute it for the change feed
(`azure.cosmos.partition_key`), and goes on with a digest of the exact values, because the hash alone is not unique.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from emulators.cosmos.errors import bad_request
from emulators.cosmos.limits import MAX_KEY_BYTES
from emulators.cosmos.murmur import murmur3_128
from emulators.cosmos.values import UNDEFINED, Value, number

type Key = tuple[Value, ...]
"""The values of a partition key, from the top of the hierarchy; fewer than the container has paths are a prefix."""

_END = b"\xff"
_HIGHEST = 0x4000 << 112
_DIGEST_BYTES = 16


def effective(key: Key, *, hierarchical: bool) -> bytes:
    """The effective partition key: 16 bytes, or 16 for each level of a hierarchy."""
    parts = [_component(value) for value in key]
    return b"".join(map(_hash, parts)) if hierarchical else _hash(b"".join(parts))


def place(key: Key, *, hierarchical: bool) -> bytes:
    """The effective partition key and a digest of the values."""
    exact = orjson.dumps([{} if value is UNDEFINED else value for value in key])
    return effective(key, hierarchical=hierarchical) + hashlib.sha256(exact).digest()[:_DIGEST_BYTES]


def parse_key(header: str) -> Key:
    """The value of `x-ms-documentdb-partitionkey`, a JSON array in which `{}` is undefined. Raises CosmosError."""
    if len(header) > 6 * MAX_KEY_BYTES:
        raise bad_request(f"The partition key is longer than {MAX_KEY_BYTES} bytes.")
    try:
        values = orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"Partition key {header[:100]} is invalid.") from error
    if not isinstance(values, list) or len(values) > 3:
        raise bad_request(f"Partition key {header[:100]} is invalid.")
    return tuple(key_value(UNDEFINED if value == {} else value) for value in values)


def key_value(value: Value) -> Value:
    """The value as part of a key. Raises CosmosError for arrays and objects, and for what is too long."""
    if isinstance(value, list | dict):
        raise bad_request("A partition key's value must be a string, a number, a boolean or null.")
    if isinstance(value, str) and len(value.encode()) > MAX_KEY_BYTES:
        raise bad_request(f"The partition key is longer than {MAX_KEY_BYTES} bytes.")
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class Span:
    """Places from `low` to before `high`."""

    low: bytes
    high: bytes

    @classmethod
    def of_texts(cls, low: str, high: str) -> "Span":
        """Bounds as the SDKs write them, in hexadecimal. Raises CosmosError."""
        try:
            return cls(bytes.fromhex(low), bytes.fromhex(high))
        except ValueError as error:
            raise bad_request("The bounds of effective partition keys are not hexadecimal.") from error

    def within(self, other: "Span") -> "Span":
        """What both have in common."""
        return Span(max(self.low, other.low), min(self.high, other.high))


EVERYTHING = Span(b"", _END)


@dataclass(frozen=True, slots=True)
class Range:
    """A physical partition, as clients see it."""

    number: int
    span: Span

    def view(self, rid: str, link: str) -> dict[str, Any]:
        """As `pkranges` lists it."""
        return {
            "_rid": rid,
            "id": str(self.number),
            "_etag": '"00000000-0000-0000-0000-000000000000"',
            "minInclusive": self.span.low.hex().upper(),
            "maxExclusive": self.span.high.hex().upper(),
            "ridPrefix": self.number,
            "_self": f"{link}pkranges/{rid}/",
            "throughputFraction": 1.0,
            "status": "online",
            "parents": [],
            "_ts": 0,
        }


def ranges(count: int) -> list[Range]:
    """A container's ranges: without gaps from the first place to the last, each with an equal share of the hashes."""
    bounds = [b"", *((_HIGHEST * index // count).to_bytes(16) for index in range(1, count)), _END]
    return [Range(index, Span(bounds[index], bounds[index + 1])) for index in range(count)]


def range_of(where: bytes, known: Sequence[Range]) -> Range:
    """The range in which a place lies."""
    return next(one for one in reversed(known) if one.span.low <= where)


def _component(value: Value) -> bytes:
    if value is UNDEFINED:
        return b"\x00"
    if value is None:
        return b"\x01"
    if isinstance(value, bool):
        return b"\x03" if value else b"\x02"
    if isinstance(value, str):
        return b"\x08" + value.encode() + b"\xff"
    return b"\x05" + struct.pack("<d", value)


def _hash(data: bytes) -> bytes:
    """The top two bits are cleared, so that every hash is below the end of the last range."""
    first, second = murmur3_128(data)
    hashed = second.to_bytes(8) + first.to_bytes(8)
    return bytes([hashed[0] & 0x3F]) + hashed[1:]
