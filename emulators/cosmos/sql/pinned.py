"""What a filter says about documents before any is read: properties that must equal a constant.

`id = 'a' AND day = 'b'` pins both; `IN` and OR give alternatives. Whatever else a filter holds is left to the program,
so to know less than the filter says is never wrong.
"""

from collections.abc import Mapping

from emulators.cosmos.sql.parser import ROOT
from emulators.cosmos.sql.syntax import (
    Alias,
    Between,
    Binary,
    Constant,
    Expression,
    In,
    Logical,
    Member,
    Parameter,
    Select,
)
from emulators.cosmos.values import UNDEFINED, Value

type Path = tuple[str, ...]
type Pins = dict[Path, Value]

_MAX_ALTERNATIVES = 2000
_ID: Path = ("id",)
_LOWEST, _HIGHEST = "", "\U0010ffff"
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def alternatives(select: Select, parameters: Mapping[str, Value]) -> list[Pins]:
    """Every document that the filter lets through has the values of one of these; `[{}]` says nothing."""
    if select.where is None or not _has_root(select):
        return [{}]
    return _Analysis(select.sources[0].alias, parameters).of(select.where)


def path_of(expression: Expression, select: Select) -> Path | None:
    """The members of a document that an expression names, from the first input set; None for anything else."""
    first = select.sources[0].alias if select.sources else ROOT
    return _Analysis(first, {}).path(expression)


def id_range(select: Select, parameters: Mapping[str, Value]) -> tuple[str, str] | None:
    """Bounds of the ids that the filter lets through, both inclusive; None if it has no bounds for them."""
    if not _has_root(select) or select.where is None:
        return None
    bounds = _Analysis(select.sources[0].alias, parameters).id_bounds(select.where)
    return None if bounds == (_LOWEST, _HIGHEST) else bounds


def _has_root(select: Select) -> bool:
    """Whether the first input set is the documents themselves."""
    return bool(select.sources) and not select.sources[0].iterates and select.sources[0].origin == Alias(ROOT)


class _Analysis:
    def __init__(self, alias: str, parameters: Mapping[str, Value]) -> None:
        self._alias = alias
        self._parameters = parameters

    def of(self, expression: Expression) -> list[Pins]:
        if isinstance(expression, Logical):
            found = [self.of(operand) for operand in expression.operands]
            return _any(found) if expression.operator == "OR" else _all(found)
        if isinstance(expression, Binary) and expression.operator == "=":
            return self._equal(expression.left, expression.right)
        if isinstance(expression, In) and not expression.negated:
            return _any([self._equal(expression.operand, choice) for choice in expression.choices])
        return [{}]

    def id_bounds(self, expression: Expression) -> tuple[str, str]:
        if isinstance(expression, Logical) and expression.operator == "AND":
            found = [self.id_bounds(operand) for operand in expression.operands]
            return max(low for low, _ in found), min(high for _, high in found)
        if isinstance(expression, Between) and not expression.negated and self.path(expression.operand) == _ID:
            low, high = self._value(expression.low), self._value(expression.high)
            return (low, high) if isinstance(low, str) and isinstance(high, str) else (_LOWEST, _HIGHEST)
        if isinstance(expression, Binary) and expression.operator in _TURNED:
            return self._bound(expression.operator, expression.left, expression.right)
        return _LOWEST, _HIGHEST

    def _bound(self, operator: str, left: Expression, right: Expression) -> tuple[str, str]:
        if self.path(left) != _ID:
            operator, left, right = _TURNED[operator], right, left
        value = self._value(right)
        if self.path(left) != _ID or not isinstance(value, str):
            return _LOWEST, _HIGHEST
        return (value, _HIGHEST) if operator in (">", ">=") else (_LOWEST, value)

    def _equal(self, left: Expression, right: Expression) -> list[Pins]:
        path, value = self.path(left), self._value(right)
        if path is None:
            path, value = self.path(right), self._value(left)
        return [{}] if path is None or value is UNDEFINED else [{path: value}]

    def path(self, expression: Expression) -> Path | None:
        names: list[str] = []
        while isinstance(expression, Member):
            index = self._value(expression.index)
            if not isinstance(index, str):
                return None
            names.append(index)
            expression = expression.base
        return tuple(reversed(names)) if names and expression == Alias(self._alias) else None

    def _value(self, expression: Expression) -> Value:
        if isinstance(expression, Parameter):
            return self._parameters.get(expression.name, UNDEFINED)
        return expression.value if isinstance(expression, Constant) else UNDEFINED


def _any(found: list[list[Pins]]) -> list[Pins]:
    joined = [pins for one in found for pins in one]
    return joined if all(joined) and len(joined) <= _MAX_ALTERNATIVES else [{}]


def _all(found: list[list[Pins]]) -> list[Pins]:
    combined: list[Pins] = [{}]
    for one in found:
        if len(combined) * len(one) <= _MAX_ALTERNATIVES:
            combined = [{**known, **pins} for known in combined for pins in one]
    return combined
