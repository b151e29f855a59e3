"""Operators on values.

Reference: https://learn.microsoft.com/azure/cosmos-db/nosql/query/equality-comparison-operators and pages beside it.

Values of different types are neither equal nor unequal: the comparison is undefined.
"""

import math
import operator
from collections.abc import Callable

from emulators.cosmos.values import UNDEFINED, Rank, Value, equal, is_number, number, rank

_ORDERED = (Rank.NULL, Rank.BOOLEAN, Rank.NUMBER, Rank.STRING)


def compare(left: Value, right: Value) -> int | None:
    """Negative, zero or positive; None where the two cannot be compared."""
    kind = rank(left)
    if kind is not rank(right) or kind not in _ORDERED:
        return None
    if kind is Rank.NULL:
        return 0
    return int(left > right) - int(left < right)


def _equality(wanted: bool) -> Callable[[Value, Value], Value]:
    def operate(left: Value, right: Value) -> Value:
        if left is UNDEFINED or rank(left) is not rank(right):
            return UNDEFINED
        return equal(left, right) is wanted

    return operate


def _ordering(test: Callable[[int, int], bool]) -> Callable[[Value, Value], Value]:
    def operate(left: Value, right: Value) -> Value:
        compared = compare(left, right)
        return UNDEFINED if compared is None else test(compared, 0)

    return operate


def _arithmetic(calculate: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    def operate(left: Value, right: Value) -> Value:
        if not (is_number(left) and is_number(right)):
            return UNDEFINED
        try:
            return number(calculate(float(left), float(right)))
        except (ZeroDivisionError, ValueError, OverflowError):
            return UNDEFINED

    return operate


def _int32(value: float) -> int:
    whole = int(value) & 0xFFFF_FFFF
    return whole - 2**32 if whole >= 2**31 else whole


def _bits(calculate: Callable[[int, int], int]) -> Callable[[Value, Value], Value]:
    """On integers of 32 bits, as in JavaScript."""

    def operate(left: Value, right: Value) -> Value:
        if not (is_number(left) and is_number(right)):
            return UNDEFINED
        return _int32(calculate(_int32(left), _int32(right)))

    return operate


def _not(value: Value) -> Value:
    return not value if rank(value) is Rank.BOOLEAN else UNDEFINED


BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "=": _equality(True),
    "!=": _equality(False),
    "<": _ordering(operator.lt),
    "<=": _ordering(operator.le),
    ">": _ordering(operator.gt),
    ">=": _ordering(operator.ge),
    "+": _arithmetic(operator.add),
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "/": _arithmetic(operator.truediv),
    "%": _arithmetic(math.fmod),
    "|": _bits(operator.or_),
    "&": _bits(operator.and_),
    "^": _bits(operator.xor),
    "<<": _bits(lambda left, right: left << (right & 31)),
    ">>": _bits(lambda left, right: left >> (right & 31)),
    ">>>": _bits(lambda left, right: (left & 0xFFFF_FFFF) >> (right & 31)),
}
UNARY: dict[str, Callable[[Value], Value]] = {
    "NOT": _not,
    "-": lambda value: number(-value) if is_number(value) else UNDEFINED,
    "+": lambda value: value if is_number(value) else UNDEFINED,
    "~": lambda value: _int32(~_int32(value)) if is_number(value) else UNDEFINED,
}
