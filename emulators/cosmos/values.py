"""The values of documents and queries: JSON, with numbers that are doubles, and undefined beside null.

Python's own types carry JSON. A number without a fraction is an `int` up to 2**53 and a `float` beyond, as a reader of
JavaScript's numbers sees them. Objects and arrays are never changed in place.
"""

from enum import Enum
from typing import Any, Final

type Value = Any
"""JSON, or UNDEFINED."""

_EXACT = 2**53


class Undefined(Enum):
    """The type of UNDEFINED."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class Rank(Enum):
    """Types in the order in which ORDER BY puts them."""

    UNDEFINED = 0
    NULL = 1
    BOOLEAN = 2
    NUMBER = 3
    STRING = 4
    ARRAY = 5
    OBJECT = 6


_RANKS = {
    Undefined: Rank.UNDEFINED,
    type(None): Rank.NULL,
    bool: Rank.BOOLEAN,
    int: Rank.NUMBER,
    float: Rank.NUMBER,
    str: Rank.STRING,
    list: Rank.ARRAY,
    dict: Rank.OBJECT,
}


def rank(value: Value) -> Rank:
    """The type of a value."""
    return _RANKS[type(value)]


def is_number(value: Value) -> bool:
    """True for numbers, and not for booleans, which Python counts among them."""
    return type(value) in (int, float)


def number(value: float) -> Value:
    """The double nearest to `value`; UNDEFINED where there is none."""
    try:
        double = float(value)
    except OverflowError:
        return UNDEFINED
    if double != double or double in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        return UNDEFINED
    return int(double) if double.is_integer() and abs(double) <= _EXACT else double


def equal(left: Value, right: Value) -> bool:
    """Whether two values are the same JSON; true is not 1."""
    kind = rank(left)
    if kind is not rank(right):
        return False
    if kind is Rank.ARRAY:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is Rank.OBJECT:
        return left.keys() == right.keys() and all(equal(one, right[name]) for name, one in left.items())
    return bool(left == right)


def order_key(value: Value) -> tuple[Any, ...]:
    """A key by which Python sorts values as ORDER BY does: by type first."""
    kind = rank(value)
    if kind in (Rank.UNDEFINED, Rank.NULL):
        return (kind.value,)
    if kind is Rank.ARRAY:
        return (kind.value, [order_key(one) for one in value])
    if kind is Rank.OBJECT:
        return (kind.value, [(name, order_key(one)) for name, one in sorted(value.items())])
    return (kind.value, value)


def identity(value: Value) -> Value:
    """A hashable stand-in: the same for equal values, and for no others."""
    kind = rank(value)
    if kind is Rank.ARRAY:
        return (kind, tuple(map(identity, value)))
    if kind is Rank.OBJECT:
        return (kind, frozenset((name, identity(one)) for name, one in value.items()))
    return (kind, value)
