"""Aggregate functions: https://learn.microsoft.com/azure/cosmos-db/nosql/query/aggregate-functions.

Undefined arguments do not count. A sum or an average over anything that is no number is undefined, and so is the
greatest or smallest of arrays or objects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from emulators.cosmos.values import UNDEFINED, Rank, Value, is_number, number, order_key, rank


class Accumulator(Protocol):
    """One aggregate over one group."""

    def add(self, value: Value) -> None:
        """Take one row's argument."""

    @property
    def result(self) -> Value:
        """Of what was added."""


class _Count:
    def __init__(self) -> None:
        self.result: Value = 0

    def add(self, value: Value) -> None:
        if value is not UNDEFINED:
            self.result += 1


class _CountIf:
    def __init__(self) -> None:
        self.result: Value = 0

    def add(self, value: Value) -> None:
        if value is True:
            self.result += 1


class _Sum:
    def __init__(self) -> None:
        self.total: Value = 0
        self.count = 0

    def add(self, value: Value) -> None:
        if value is UNDEFINED:
            return
        self.count += 1
        if self.total is not UNDEFINED:
            self.total = number(float(self.total) + value) if is_number(value) else UNDEFINED

    @property
    def result(self) -> Value:
        return self.total


class _Average(_Sum):
    @property
    def result(self) -> Value:
        if self.total is UNDEFINED or self.count == 0:
            return UNDEFINED
        return number(self.total / self.count)


class _Extreme:
    def __init__(self, better: Callable[[Any, Any], bool]) -> None:
        self._better = better
        self._best: Value = UNDEFINED
        self._valid = True

    def add(self, value: Value) -> None:
        if value is UNDEFINED:
            return
        self._valid = self._valid and rank(value) not in (Rank.ARRAY, Rank.OBJECT)
        if self._best is UNDEFINED or self._better(order_key(value), order_key(self._best)):
            self._best = value

    @property
    def result(self) -> Value:
        return self._best if self._valid else UNDEFINED


AGGREGATES: dict[str, Callable[[], Accumulator]] = {
    "COUNT": _Count,
    "COUNTIF": _CountIf,
    "SUM": _Sum,
    "AVG": _Average,
    "MIN": lambda: _Extreme(lambda new, best: new < best),
    "MAX": lambda: _Extreme(lambda new, best: new > best),
}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate of a SELECT list: its name and its argument as a function of a row."""

    function: str
    argument: Callable[[Any], Value]

    def start(self) -> Accumulator:
        """A new one, over nothing yet."""
        return AGGREGATES[self.function]()
