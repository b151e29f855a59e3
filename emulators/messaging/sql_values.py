"""Values of rule expressions and what operators do to them.

Operators follow C#: numbers promote, strings concatenate and compare ordinally, integer division truncates, and types
that do not fit are an error. `None` is the unknown value: an absent property, NULL, or what either leads to.
"""

import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol
from uuid import UUID

type Value = str | int | float | bool | bytes | UUID | None

_INT64 = 1 << 63


class FilterError(Exception):
    """A filter or action cannot be evaluated on a message."""


class Properties(Protocol):
    """A message as rules see it; names are compared without case."""

    def system(self, name: str) -> Value:
        """A system property. Raises FilterError for a name that is none."""

    def user(self, name: str) -> Value:
        """An application property; None when absent."""

    def exists(self, name: str) -> bool:
        """Whether there is such an application property, be it null."""


def is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def truth(value: Value) -> bool | None:
    """A value as a logical operand. Raises FilterError when it is none."""
    if value is None or isinstance(value, bool):
        return value
    raise FilterError(f"A logical operand is of type {type(value).__name__}.")


def negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def conjunction(left: bool | None, right: bool | None) -> bool | None:
    """AND of three-valued logic."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def disjunction(left: bool | None, right: bool | None) -> bool | None:
    """OR of three-valued logic."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


_COMPARISONS: dict[str, Callable[..., bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(symbol: str, left: Value, right: Value) -> bool | None:
    """One of = <> != < <= > >=. Raises FilterError for types that do not compare."""
    if left is None or right is None:
        return None
    ordered = (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
    equatable = ordered or (type(left) is type(right) and symbol in ("=", "<>", "!="))
    if not equatable:
        raise FilterError(f"{type(left).__name__} {symbol} {type(right).__name__} is not defined.")
    return _COMPARISONS[symbol](left, right)


def arithmetic(symbol: str, left: Value, right: Value) -> Value:
    """One of + - * / %. Raises FilterError."""
    if left is None or right is None:
        return None
    if symbol == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bool) or isinstance(right, bool):
        raise FilterError("Booleans have no arithmetic.")
    if isinstance(left, int) and isinstance(right, int):
        return _integer(symbol, left, right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _floating(symbol, float(left), float(right))
    raise FilterError(f"{type(left).__name__} {symbol} {type(right).__name__} is not defined.")


def _integer(symbol: str, left: int, right: int) -> int:
    if symbol in "/%":
        if right == 0:
            raise FilterError("Attempted to divide by zero.")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        result = quotient if symbol == "/" else left - quotient * right
    else:
        result = {"+": operator.add, "-": operator.sub, "*": operator.mul}[symbol](left, right)
    if not -_INT64 <= result < _INT64:
        raise FilterError("An integer does not fit 64 bits.")
    return result


def _floating(symbol: str, left: float, right: float) -> float:
    if symbol == "/":
        return left / right if right else math.copysign(math.inf, left) if left else math.nan
    if symbol == "%":
        return math.fmod(left, right) if right and math.isfinite(left) else math.nan
    return float({"+": operator.add, "-": operator.sub, "*": operator.mul}[symbol](left, right))


def like(text: str, pattern: str, escape: str | None) -> bool:
    """SQL LIKE: `%` any run, `_` any character, `escape` before either makes it plain."""
    (first, _), *others = _segments(pattern, escape)
    start = first.match(text)
    if start is None or not others:
        return start is not None and start.end() == len(text)
    position = start.end()
    # Each run in the middle ends as early as it can; that leaves most for the rest.
    for segment, _ in others[:-1]:
        found = segment.search(text, position)
        if found is None:
            return False
        position = found.end()
    last, length = others[-1]
    return len(text) - length >= position and last.match(text, len(text) - length) is not None


@lru_cache(maxsize=1024)
def _segments(pattern: str, escape: str | None) -> list[tuple[re.Pattern[str], int]]:
    """What stands between the `%` of a pattern, each with its length in characters."""
    segments: list[list[str]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                raise FilterError("The pattern ends with its escape character.")
            segments[-1].append(re.escape(following))
        elif character == "%":
            segments.append([])
        else:
            segments[-1].append("." if character == "_" else re.escape(character))
    return [(re.compile("".join(segment), re.DOTALL), len(segment)) for segment in segments]
