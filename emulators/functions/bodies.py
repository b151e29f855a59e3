"""Message bodies as trigger inputs, by the one rule of all message bindings: text unless `dataType` is binary or a
body is no UTF-8."""

from collections.abc import Sequence
from dataclasses import dataclass

from emulators.functions.worker import TypedData


@dataclass(frozen=True)
class _Strings:
    string: Sequence[str]


@dataclass(frozen=True)
class _Bytes:
    bytes: Sequence[bytes]


def single_body(body: bytes, *, binary: bool) -> TypedData:
    """Trigger input of cardinality one."""
    if binary:
        return TypedData(bytes=body)
    try:
        return TypedData(string=body.decode())
    except UnicodeDecodeError:
        return TypedData(bytes=body)


def batch_body(bodies: Sequence[bytes], *, binary: bool) -> TypedData:
    """Trigger input of cardinality many: all text, or all bytes."""
    if not binary:
        try:
            return text_batch([body.decode() for body in bodies])
        except UnicodeDecodeError:
            return TypedData(collection_bytes=_Bytes(bodies))
    return TypedData(collection_bytes=_Bytes(bodies))


def text_batch(texts: Sequence[str]) -> TypedData:
    """Trigger input of several texts."""
    return TypedData(collection_string=_Strings(texts))
