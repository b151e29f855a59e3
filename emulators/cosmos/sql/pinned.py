"""What a filter says about documents before any is read: properties that must equal a constant.

`id = 'a' AND day = 'b'` pins both; `IN` and OR give alternatives. Whatever else a filter holds is left to the program,
so to know less than the filter says is never wrong.
"""

from collections.abc import Mapping

from emulators.cosmos.sql.parser import ROOT
from emulators.cosmos.sql.syntax import (
    Alias,
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


def alternatives(select: Select, parameters: Mapping[str, Value]) -> list[Pins]:
    """Every document that the filter lets through has the values of one of these; `[{}]` says nothing."""
    if select.where is None or not select.sources:
        return [{}]
    first = select.sources[0]
    if first.iterates or first.origin != Alias(ROOT):
        return [{}]
    return _Analysis(first.alias, parameters).of(select.where)


def path_of(expression: Expression, select: Select) -> Path | None:
    """The members of a document that an expression names, from the first input set; None for anything else."""
    first = select.sources[0].alias if select.sources else ROOT
    return _Analysis(first, {}).path(expression)


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
