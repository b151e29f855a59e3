"""The AMQP and SASL performatives (OASIS AMQP 1.0 parts 2.7 and 5.3) and delivery outcomes (3.4).

Each is a frozen dataclass whose fields stand in wire order. Reading checks every field's type and fills omitted or null
fields with their defaults; writing sends all fields, nulls included, because some SDKs read fixed positions.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

from emulators.messaging.codec import (
    Described,
    Symbol,
    UByte,
    UInt,
    ULong,
    UShort,
    encode,
    encode_described,
    encode_list,
)
from emulators.messaging.errors import AmqpError, DecodeError

RECEIVER = True
SENDER = False


@dataclass(frozen=True, slots=True)
class Kind:
    """How one field is checked when read and encoded when written; `limit` bounds an integer from above."""

    name: str
    types: tuple[type, ...]
    write: Callable[..., object]
    limit: int | None = None

    def read(self, value: object) -> object:
        if not isinstance(value, self.types) or (isinstance(value, bool) and bool not in self.types):
            raise DecodeError(f"A field should be {self.name}.")
        if self.limit is not None and isinstance(value, int) and not 0 <= value <= self.limit:
            raise DecodeError(f"A field is outside the range of {self.name}.")
        return value


def _as_is(value: object) -> object:
    return value


_STRING = Kind("a string", (str,), _as_is)
_SYMBOL = Kind("a symbol", (str,), Symbol)
_BINARY = Kind("binary", (bytes,), _as_is)
_BOOLEAN = Kind("a boolean", (bool,), _as_is)
_UBYTE = Kind("ubyte", (int,), UByte, 0xFF)
_USHORT = Kind("ushort", (int,), UShort, 0xFFFF)
_UINT = Kind("uint", (int,), UInt, 0xFFFF_FFFF)
_ULONG = Kind("ulong", (int,), ULong, 0xFFFF_FFFF_FFFF_FFFF)
_MAP = Kind("a map", (dict,), _as_is)
_ANY = Kind("a value", (object,), _as_is)


@dataclass(frozen=True, slots=True)
class Open:
    """Opens a connection; `idle_time_out` in milliseconds."""

    CODE: ClassVar[int] = 0x10
    KINDS: ClassVar[tuple[Kind, ...]] = (
        _STRING, _STRING, _UINT, _USHORT, _UINT, _ANY, _ANY, _ANY, _ANY, _MAP,
    )  # fmt: skip
    container_id: str
    hostname: str | None = None
    max_frame_size: int = 0xFFFF_FFFF
    channel_max: int = 0xFFFF
    idle_time_out: int | None = None
    outgoing_locales: object = None
    incoming_locales: object = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Begins a session."""

    CODE: ClassVar[int] = 0x11
    KINDS: ClassVar[tuple[Kind, ...]] = (_USHORT, _UINT, _UINT, _UINT, _UINT, _ANY, _ANY, _MAP)
    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int = 0xFFFF_FFFF
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Attach:
    """Attaches a link; `role` is the sender's of this frame."""

    CODE: ClassVar[int] = 0x12
    KINDS: ClassVar[tuple[Kind, ...]] = (
        _STRING, _UINT, _BOOLEAN, _UBYTE, _UBYTE, _ANY, _ANY, _ANY, _BOOLEAN, _UINT, _ULONG, _ANY, _ANY, _MAP,
    )  # fmt: skip
    name: str
    handle: int
    role: bool
    snd_settle_mode: int = 2
    rcv_settle_mode: int = 0
    source: object = None
    target: object = None
    unsettled: object = None
    incomplete_unsettled: bool = False
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Session windows and, with a handle, link credit."""

    CODE: ClassVar[int] = 0x13
    KINDS: ClassVar[tuple[Kind, ...]] = (
        _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _BOOLEAN, _BOOLEAN, _MAP,
    )  # fmt: skip
    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    available: int | None = None
    drain: bool = False
    echo: bool = False
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """One frame of a delivery; its payload follows the performative."""

    CODE: ClassVar[int] = 0x14
    KINDS: ClassVar[tuple[Kind, ...]] = (
        _UINT, _UINT, _BINARY, _UINT, _BOOLEAN, _BOOLEAN, _UBYTE, _ANY, _BOOLEAN, _BOOLEAN, _BOOLEAN,
    )  # fmt: skip
    handle: int
    delivery_id: int | None = None
    delivery_tag: bytes | None = None
    message_format: int | None = None
    settled: bool | None = None
    more: bool = False
    rcv_settle_mode: int | None = None
    state: object = None
    resume: bool = False
    aborted: bool = False
    batchable: bool = False


@dataclass(frozen=True, slots=True)
class Disposition:
    """The state of the deliveries `first` to `last`."""

    CODE: ClassVar[int] = 0x15
    KINDS: ClassVar[tuple[Kind, ...]] = (_BOOLEAN, _UINT, _UINT, _BOOLEAN, _ANY, _BOOLEAN)
    role: bool
    first: int
    last: int | None = None
    settled: bool = False
    state: object = None
    batchable: bool = False


@dataclass(frozen=True, slots=True)
class Detach:
    """Detaches a link."""

    CODE: ClassVar[int] = 0x16
    KINDS: ClassVar[tuple[Kind, ...]] = (_UINT, _BOOLEAN, _ANY)
    handle: int
    closed: bool = False
    error: object = None


@dataclass(frozen=True, slots=True)
class End:
    """Ends a session."""

    CODE: ClassVar[int] = 0x17
    KINDS: ClassVar[tuple[Kind, ...]] = (_ANY,)
    error: object = None


@dataclass(frozen=True, slots=True)
class Close:
    """Closes a connection."""

    CODE: ClassVar[int] = 0x18
    KINDS: ClassVar[tuple[Kind, ...]] = (_ANY,)
    error: object = None


@dataclass(frozen=True, slots=True)
class SaslMechanisms:
    """What the server offers."""

    CODE: ClassVar[int] = 0x40
    KINDS: ClassVar[tuple[Kind, ...]] = (_ANY,)
    mechanisms: object


@dataclass(frozen=True, slots=True)
class SaslInit:
    """What the client chose."""

    CODE: ClassVar[int] = 0x41
    KINDS: ClassVar[tuple[Kind, ...]] = (_SYMBOL, _BINARY, _STRING)
    mechanism: str
    initial_response: bytes | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class SaslOutcome:
    """0 is success, 1 a failed authentication."""

    CODE: ClassVar[int] = 0x44
    KINDS: ClassVar[tuple[Kind, ...]] = (_UBYTE, _BINARY)
    code: int
    additional_data: bytes | None = None


type Performative = (
    Open
    | Begin
    | Attach
    | Flow
    | Transfer
    | Disposition
    | Detach
    | End
    | Close
    | SaslMechanisms
    | SaslInit
    | SaslOutcome
)

_CLASSES: tuple[type[Performative], ...] = (
    Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close, SaslMechanisms, SaslInit, SaslOutcome,
)  # fmt: skip
_BY_CODE = {cls.CODE: cls for cls in _CLASSES}
_REQUIRED = object()
_DEFAULTS: dict[int, tuple[object, ...]] = {
    code: tuple(_REQUIRED if field.default is MISSING else field.default for field in fields(cls))
    for code, cls in _BY_CODE.items()
}


def read_performative(value: object) -> Performative:
    """A checked performative from a decoded value. Raises DecodeError."""
    if not isinstance(value, Described) or not isinstance(value.value, list):
        raise DecodeError("A frame body is not a performative.")
    cls = _BY_CODE.get(value.descriptor) if isinstance(value.descriptor, int) else None
    if cls is None:
        raise DecodeError("A frame body has an unknown descriptor.")
    return cls(*_read_fields(cls, value.value))


def _read_fields(cls: type[Performative], values: list[object]) -> list[Any]:
    defaults = _DEFAULTS[cls.CODE]
    if len(values) > len(defaults):
        raise DecodeError(f"{cls.__name__} has too many fields.")
    values = values + [None] * (len(defaults) - len(values))
    optional_first = cls is Begin or cls is Flow
    checked: list[Any] = []
    for index, (value, default, kind) in enumerate(zip(values, defaults, cls.KINDS, strict=True)):
        if value is not None:
            checked.append(kind.read(value))
        elif default is not _REQUIRED:
            checked.append(default)
        elif optional_first and index == 0:
            checked.append(None)
        else:
            raise DecodeError(f"{cls.__name__} lacks a mandatory field.")
    return checked


def write_performative(performative: Performative) -> bytes:
    """Encoded descriptor and field list."""
    items = []
    for kind, name in zip(performative.KINDS, performative.__slots__, strict=True):
        value = getattr(performative, name)
        items.append(b"\x40" if value is None else encode(kind.write(value)))
    return encode_described(performative.CODE, encode_list(items))


# --- values inside performatives ------------------------------------------------------------------------------------

ACCEPTED = Described(ULong(0x24), [])
RELEASED = Described(ULong(0x26), [])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receiver decided about a delivery."""

    name: str
    fields: list[object]

    def field(self, index: int) -> object:
        return self.fields[index] if index < len(self.fields) else None


_OUTCOMES = {0x23: "received", 0x24: "accepted", 0x25: "rejected", 0x26: "released", 0x27: "modified"}


def read_outcome(state: object) -> Outcome | None:
    """The outcome in a disposition's state; None when there is none. Raises DecodeError for another state."""
    if state is None:
        return None
    if isinstance(state, Described) and isinstance(state.value, list) and isinstance(state.descriptor, int):
        name = _OUTCOMES.get(state.descriptor)
        if name is not None:
            return Outcome(name, state.value)
    raise DecodeError("A delivery state is unknown.")


def rejected(error: AmqpError) -> Described:
    """The rejected outcome that carries `error`."""
    return Described(ULong(0x25), [error_value(error)])


def modified(delivery_failed: bool, undeliverable_here: bool) -> Described:
    """The modified outcome."""
    return Described(ULong(0x27), [delivery_failed, undeliverable_here, None])


def error_value(error: AmqpError) -> Described:
    """AMQP error type: condition, description, info."""
    return Described(ULong(0x1D), [Symbol(error.condition), error.description, None])


@dataclass(frozen=True, slots=True)
class Terminus:
    """A link's source or target; `filters` belong to sources."""

    address: str | None
    filters: dict[object, object]


_FILTER_INDEX = 7


def read_terminus(value: object) -> Terminus | None:
    """Source (0x28) or target (0x29); None when null. Raises DecodeError."""
    if value is None:
        return None
    if not isinstance(value, Described) or value.descriptor not in (0x28, 0x29) or not isinstance(value.value, list):
        raise DecodeError("A source or target is malformed.")
    items = value.value
    address = items[0] if items else None
    if address is not None and not isinstance(address, str):
        raise DecodeError("An address is not a string.")
    filters = items[_FILTER_INDEX] if value.descriptor == 0x28 and len(items) > _FILTER_INDEX else None
    return Terminus(address, filters if isinstance(filters, dict) else {})


def write_source(address: str | None, filters: dict[object, object] | None) -> Described:
    """A source as attach answers carry it."""
    return Described(ULong(0x28), [address, None, None, None, None, None, None, filters, None, None, None])


def write_target(address: str | None) -> Described:
    """A target as attach answers carry it."""
    return Described(ULong(0x29), [address, None, None, None, None, None, None])
