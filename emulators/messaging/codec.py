"""AMQP 1.0 type system (OASIS AMQP 1.0 part 1): values to bytes and back.

Decoding is bounded: nesting, element counts and sizes are checked before anything is allocated, and every violation is
a `DecodeError`. Integers of all widths decode to `int`; encoding needs the width, so plain `int` is refused and one of
the `int` subclasses below is asked for.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from emulators.messaging.errors import DecodeError

MAX_DEPTH = 24
_MAX_ZERO_WIDTH_ELEMENTS = 1024


class Symbol(str):
    """ASCII string from a constrained domain."""

    __slots__ = ()


class UByte(int):
    """8-bit unsigned."""


class UShort(int):
    """16-bit unsigned."""


class UInt(int):
    """32-bit unsigned."""


class ULong(int):
    """64-bit unsigned."""


class Int(int):
    """32-bit signed."""


class Long(int):
    """64-bit signed."""


class Timestamp(int):
    """Milliseconds since the Unix epoch, UTC."""


@dataclass(frozen=True, slots=True)
class Described:
    """A value with the descriptor that gives it its meaning."""

    descriptor: object
    value: object


@dataclass(frozen=True, slots=True)
class Array:
    """Elements of one type: str, Symbol, Long or Timestamp."""

    items: Sequence[object]


type _Decoder = Callable[[bytes, int, int], tuple[object, int]]


def decode(data: bytes, position: int = 0) -> tuple[object, int]:
    """The value that starts at `position`, and the position after it. Raises DecodeError."""
    try:
        return _decode(data, position, 0)
    except (IndexError, struct.error) as error:
        raise DecodeError("A value ends before its declared size.") from error
    except UnicodeDecodeError as error:
        raise DecodeError("A string is not UTF-8, or a symbol is not ASCII.") from error


def skip(data: bytes, position: int) -> int:
    """The position after the value that starts at `position`, without building it. Raises DecodeError."""
    try:
        end = _skip(data, position)
    except (IndexError, struct.error) as error:
        raise DecodeError("A value ends before its declared size.") from error
    if end > len(data):
        raise DecodeError("A value ends before its declared size.")
    return end


def _skip(data: bytes, position: int) -> int:
    if data[position] == 0x00 and 0x00 in (data[position + 1], data[position := _skip(data, position + 1)]):
        raise DecodeError("A described value or its descriptor may not be described again here.")
    code = data[position]
    position += 1
    category = code >> 4
    if category in _FIXED_WIDTHS:
        return position + _FIXED_WIDTHS[category]
    if category in (0xA, 0xC, 0xE):
        return position + 1 + data[position]
    if category in (0xB, 0xD, 0xF):
        return position + 4 + int(_U32.unpack_from(data, position)[0])
    raise DecodeError(f"Unknown type constructor 0x{code:02x}.")


def _decode(data: bytes, position: int, depth: int) -> tuple[object, int]:
    decoder = _DECODERS[data[position]]
    if decoder is None:
        raise DecodeError(f"Unknown type constructor 0x{data[position]:02x}.")
    return decoder(data, position + 1, depth)


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise DecodeError(f"Values are nested deeper than {MAX_DEPTH}.")
    return depth + 1


def _constant(value: object) -> _Decoder:
    return lambda _data, position, _depth: (value, position)


def _fixed(layout: str) -> _Decoder:
    packed = struct.Struct(layout)
    width = packed.size

    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        return packed.unpack_from(data, position)[0], position + width

    return read


def _take(data: bytes, position: int, size: int) -> bytes:
    if position + size > len(data):
        raise DecodeError("A value ends before its declared size.")
    return data[position : position + size]


def _raw(width: int) -> _Decoder:
    return lambda data, position, _depth: (_take(data, position, width), position + width)


def _uuid(data: bytes, position: int, _depth: int) -> tuple[object, int]:
    return UUID(bytes=_take(data, position, 16)), position + 16


def _char(data: bytes, position: int, _depth: int) -> tuple[object, int]:
    code = _U32.unpack_from(data, position)[0]
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise DecodeError("A char is not a Unicode scalar value.")
    return chr(code), position + 4


def _variable(wide: bool, convert: Callable[[bytes], object]) -> _Decoder:
    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        size, position = _size(data, position, wide)
        return convert(_take(data, position, size)), position + size

    return read


def _size(data: bytes, position: int, wide: bool) -> tuple[int, int]:
    if wide:
        return _U32.unpack_from(data, position)[0], position + 4
    return data[position], position + 1


def _compound_head(data: bytes, position: int, wide: bool) -> tuple[int, int, int]:
    """(count, position of the first element, end) of a list, map or array."""
    size, position = _size(data, position, wide)
    end = position + size
    if end > len(data):
        raise DecodeError("A compound value ends before its declared size.")
    count, position = _size(data, position, wide)
    return count, position, end


def _elements(data: bytes, position: int, wide: bool, depth: int) -> tuple[list[object], int]:
    depth = _deeper(depth)
    count, position, end = _compound_head(data, position, wide)
    if count > end - position:
        raise DecodeError("A compound value declares more elements than bytes.")
    values = []
    for _ in range(count):
        value, position = _decode(data, position, depth)
        values.append(value)
    if position != end:
        raise DecodeError("A compound value's size does not match its elements.")
    return values, position


def _list(wide: bool) -> _Decoder:
    return lambda data, position, depth: _elements(data, position, wide, depth)


def _map(wide: bool) -> _Decoder:
    def read(data: bytes, position: int, depth: int) -> tuple[object, int]:
        values, position = _elements(data, position, wide, depth)
        if len(values) % 2:
            raise DecodeError("A map has a key without a value.")
        try:
            return dict(zip(values[::2], values[1::2], strict=True)), position
        except TypeError as error:
            raise DecodeError("A map key is a compound value.") from error

    return read


def _array(wide: bool) -> _Decoder:
    def read(data: bytes, position: int, depth: int) -> tuple[object, int]:
        depth = _deeper(depth)
        count, position, end = _compound_head(data, position, wide)
        descriptor, described = None, data[position] == 0x00
        if described:
            descriptor, position = _decode(data, position + 1, depth)
        values, position = _array_elements(data, position, count, end, depth)
        if position != end:
            raise DecodeError("An array's size does not match its elements.")
        return ([Described(descriptor, value) for value in values] if described else values), position

    return read


def _array_elements(data: bytes, position: int, count: int, end: int, depth: int) -> tuple[list[object], int]:
    decoder = _DECODERS[data[position]]
    if decoder is None:
        raise DecodeError(f"Unknown type constructor 0x{data[position]:02x}.")
    if count > max(end - position, _MAX_ZERO_WIDTH_ELEMENTS):
        raise DecodeError("An array declares more elements than bytes.")
    position += 1
    values = []
    for _ in range(count):
        value, position = decoder(data, position, depth)
        values.append(value)
    return values, position


def _described(data: bytes, position: int, depth: int) -> tuple[object, int]:
    depth = _deeper(depth)
    descriptor, position = _decode(data, position, depth)
    value, position = _decode(data, position, depth)
    return Described(descriptor, value), position


def _boolean(data: bytes, position: int, _depth: int) -> tuple[object, int]:
    return data[position] != 0, position + 1


def _symbol(raw: bytes) -> Symbol:
    return Symbol(raw.decode("ascii"))


def _identity(raw: bytes) -> bytes:
    return raw


_U32 = struct.Struct(">I")
_FIXED_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_DECODERS: list[_Decoder | None] = [None] * 256
for _code, _reader in {
    0x00: _described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: lambda _data, position, _depth: ([], position),
    0x50: _fixed(">B"),
    0x51: _fixed(">b"),
    0x52: _fixed(">B"),
    0x53: _fixed(">B"),
    0x54: _fixed(">b"),
    0x55: _fixed(">b"),
    0x56: _boolean,
    0x60: _fixed(">H"),
    0x61: _fixed(">h"),
    0x70: _fixed(">I"),
    0x71: _fixed(">i"),
    0x72: _fixed(">f"),
    0x73: _char,
    0x74: _raw(4),
    0x80: _fixed(">Q"),
    0x81: _fixed(">q"),
    0x82: _fixed(">d"),
    0x83: _fixed(">q"),
    0x84: _raw(8),
    0x94: _raw(16),
    0x98: _uuid,
    0xA0: _variable(False, _identity),
    0xA1: _variable(False, bytes.decode),
    0xA3: _variable(False, _symbol),
    0xB0: _variable(True, _identity),
    0xB1: _variable(True, bytes.decode),
    0xB3: _variable(True, _symbol),
    0xC0: _list(False),
    0xC1: _map(False),
    0xD0: _list(True),
    0xD1: _map(True),
    0xE0: _array(False),
    0xF0: _array(True),
}.items():
    _DECODERS[_code] = _reader


# --- encoding -------------------------------------------------------------------------------------------------------


def encode(value: object) -> bytes:
    """The shortest usual encoding of `value`. Raises TypeError for types without one, plain `int` among them."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"{type(value).__name__} has no AMQP encoding; give integers a width")
    return encoder(value)


def encode_list(items: Sequence[bytes]) -> bytes:
    """A list of elements that are already encoded."""
    return _compound(0xC0, 0xD0, len(items), b"".join(items))


def encode_pairs(pairs: bytes, count: int) -> bytes:
    """A map of `count` keys and values that are already encoded in `pairs`."""
    return _compound(0xC1, 0xD1, count, pairs)


def encode_described(descriptor: int, value: bytes) -> bytes:
    """`value`, already encoded, under a small numeric descriptor."""
    return bytes((0x00, 0x53, descriptor)) + value


def _compound(narrow: int, wide: int, count: int, body: bytes) -> bytes:
    if count < 256 and len(body) < 255:
        return bytes((narrow, len(body) + 1, count)) + body
    return bytes((wide,)) + _U32.pack(len(body) + 4) + _U32.pack(count) + body


def _sized(narrow: int, wide: int, raw: bytes) -> bytes:
    if len(raw) < 256:
        return bytes((narrow, len(raw))) + raw
    return bytes((wide,)) + _U32.pack(len(raw)) + raw


def _encode_uint(value: int) -> bytes:
    if value == 0:
        return b"\x43"
    return bytes((0x52, value)) if value < 256 else b"\x70" + _U32.pack(value)


def _encode_ulong(value: int) -> bytes:
    if value == 0:
        return b"\x44"
    return bytes((0x53, value)) if value < 256 else b"\x80" + struct.pack(">Q", value)


def _encode_map(value: Mapping[object, object]) -> bytes:
    body = b"".join(encode(key) + encode(item) for key, item in value.items())
    return encode_pairs(body, 2 * len(value))


def _encode_array(value: Array) -> bytes:
    if not value.items:
        return b"\xe0\x02\x00\x40"
    code, pack = _ARRAY_ELEMENTS[type(value.items[0])]
    body = bytes((code,)) + b"".join(pack(item) for item in value.items)
    return b"\xf0" + _U32.pack(len(body) + 4) + _U32.pack(len(value.items)) + body


def _wide(raw: bytes) -> bytes:
    return _U32.pack(len(raw)) + raw


_ARRAY_ELEMENTS: dict[type, tuple[int, Callable[..., bytes]]] = {
    str: (0xB1, lambda value: _wide(value.encode())),
    Symbol: (0xB3, lambda value: _wide(value.encode("ascii"))),
    Long: (0x81, struct.Struct(">q").pack),
    Timestamp: (0x83, struct.Struct(">q").pack),
}

_ENCODERS: dict[type, Callable[..., bytes]] = {
    type(None): lambda _value: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    str: lambda value: _sized(0xA1, 0xB1, value.encode()),
    Symbol: lambda value: _sized(0xA3, 0xB3, value.encode("ascii")),
    bytes: lambda value: _sized(0xA0, 0xB0, value),
    UByte: lambda value: bytes((0x50, value)),
    UShort: lambda value: b"\x60" + struct.pack(">H", value),
    UInt: _encode_uint,
    ULong: _encode_ulong,
    Int: lambda value: b"\x71" + struct.pack(">i", value),
    Long: lambda value: b"\x81" + struct.pack(">q", value),
    Timestamp: lambda value: b"\x83" + struct.pack(">q", value),
    float: lambda value: b"\x82" + struct.pack(">d", value),
    UUID: lambda value: b"\x98" + value.bytes,
    list: lambda value: encode_list([encode(item) for item in value]),
    dict: _encode_map,
    Array: _encode_array,
    Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}
