"""Functions that look at types, and those that choose."""

from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.functions.function import MANY, Function
from emulators.cosmos.values import UNDEFINED, Rank, Value, is_number, rank

_PRIMITIVE = (Rank.NULL, Rank.BOOLEAN, Rank.NUMBER, Rank.STRING)


def _is(*kinds: Rank) -> Function:
    return Function(lambda _, value: rank(value) in kinds, 1, 1)


def _is_integer(_: Budget, value: Value) -> bool:
    return is_number(value) and float(value).is_integer() and abs(value) < 2**63


def _iif(_: Budget, condition: Value, chosen: Value, otherwise: Value) -> Value:
    return chosen if condition is True else otherwise


def _choose(_: Budget, index: Value, *choices: Value) -> Value:
    return choices[int(index) - 1] if is_number(index) and 1 <= index <= len(choices) else UNDEFINED


FUNCTIONS = {
    "IS_DEFINED": Function(lambda _, value: value is not UNDEFINED, 1, 1),
    "IS_NULL": _is(Rank.NULL),
    "IS_BOOL": _is(Rank.BOOLEAN),
    "IS_NUMBER": _is(Rank.NUMBER),
    "IS_STRING": _is(Rank.STRING),
    "IS_ARRAY": _is(Rank.ARRAY),
    "IS_OBJECT": _is(Rank.OBJECT),
    "IS_PRIMITIVE": _is(*_PRIMITIVE),
    "IS_FINITE_NUMBER": _is(Rank.NUMBER),
    "IS_INTEGER": Function(_is_integer, 1, 1),
    "IIF": Function(_iif, 3, 3),
    "CHOOSE": Function(_choose, 2, MANY),
}
