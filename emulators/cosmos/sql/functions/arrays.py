"""Functions of arrays and objects."""

from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.functions.function import MANY, Function, typed
from emulators.cosmos.values import UNDEFINED, Rank, Value, equal, identity, rank

type Array = list[Value]


def _contains(budget: Budget, array: Value, searched: Value, partial: Value = False) -> Value:
    if rank(array) is not Rank.ARRAY or searched is UNDEFINED:
        return UNDEFINED
    budget.spend(len(array))
    if partial is True and rank(searched) is Rank.OBJECT:
        return any(_has_members(one, searched) for one in array)
    return any(equal(one, searched) for one in array)


def _has_members(value: Value, wanted: dict[str, Value]) -> bool:
    return rank(value) is Rank.OBJECT and all(equal(value.get(name, UNDEFINED), one) for name, one in wanted.items())


def _contains_any(budget: Budget, array: Value, *searched: Value) -> Value:
    if rank(array) is not Rank.ARRAY:
        return UNDEFINED
    budget.spend(len(array) + len(searched))
    present = set(map(identity, array))
    return any(identity(one) in present for one in searched)


def _contains_all(budget: Budget, array: Value, *searched: Value) -> Value:
    if rank(array) is not Rank.ARRAY:
        return UNDEFINED
    budget.spend(len(array) + len(searched))
    present = set(map(identity, array))
    return all(identity(one) in present for one in searched)


def _concat(budget: Budget, *arrays: Value) -> Value:
    if any(rank(array) is not Rank.ARRAY for array in arrays):
        return UNDEFINED
    budget.spend(sum(map(len, arrays)))
    return [one for array in arrays for one in array]


def _slice(budget: Budget, array: Array, start: float, length: float | None = None) -> Array:
    budget.spend(len(array))
    first = int(start) if start >= 0 else max(len(array) + int(start), 0)
    return array[first:] if length is None else array[first : first + max(int(length), 0)]


def _distinct(budget: Budget, array: Array) -> dict[Value, Value]:
    budget.spend(len(array))
    return {identity(one): one for one in reversed(array)}


def _union(budget: Budget, left: Array, right: Array) -> Array:
    budget.spend(len(left) + len(right))
    return list({identity(one): one for one in [*left, *right]}.values())


def _intersection(budget: Budget, left: Array, right: Array) -> Array:
    wanted = _distinct(budget, right)
    kept = {identity(one): one for one in left if identity(one) in wanted}
    return list(kept.values())


def _object_to_array(budget: Budget, document: dict[str, Value], key_name: str = "k", value_name: str = "v") -> Array:
    budget.spend(len(document))
    return [{key_name: name, value_name: value} for name, value in document.items()]


FUNCTIONS = {
    "ARRAY_CONTAINS": Function(_contains, 2, 3),
    "ARRAY_CONTAINS_ANY": Function(_contains_any, 2, MANY),
    "ARRAY_CONTAINS_ALL": Function(_contains_all, 2, MANY),
    "ARRAY_CONCAT": Function(_concat, 2, MANY),
    "ARRAY_LENGTH": typed(lambda _, array: len(array), Rank.ARRAY),
    "ARRAY_SLICE": typed(_slice, Rank.ARRAY, Rank.NUMBER, Rank.NUMBER, optional=1),
    "SETUNION": typed(_union, Rank.ARRAY, Rank.ARRAY),
    "SETINTERSECT": typed(_intersection, Rank.ARRAY, Rank.ARRAY),
    "OBJECTTOARRAY": typed(_object_to_array, Rank.OBJECT, Rank.STRING, Rank.STRING, optional=2),
}
