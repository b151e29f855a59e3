"""Functions of numbers. What is no finite number is undefined."""

import math
import random
from collections.abc import Callable

from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.functions.function import Function, typed
from emulators.cosmos.values import UNDEFINED, Rank, Value, number


def _of[**P](calculate: Callable[P, float]) -> Callable[..., Value]:
    def apply(_: Budget, *arguments: Value) -> Value:
        try:
            return number(calculate(*arguments))  # type: ignore[call-arg]
        except (ValueError, OverflowError, ZeroDivisionError):
            return UNDEFINED

    return apply


def _one(calculate: Callable[[float], float]) -> Function:
    return typed(_of(calculate), Rank.NUMBER)


def _two(calculate: Callable[[float, float], float]) -> Function:
    return typed(_of(calculate), Rank.NUMBER, Rank.NUMBER)


def _sign(value: float) -> float:
    return (value > 0) - (value < 0)


def _round(value: float, digits: float = 0) -> float:
    """Half away from zero."""
    scale = 10.0 ** min(max(int(digits), 0), 15)
    return math.copysign(math.floor(abs(value) * scale + 0.5) / scale, value)


def _log(value: float, base: float = math.e) -> float:
    return math.log(value) if base == math.e else math.log(value, base)


FUNCTIONS = {
    "ABS": _one(abs),
    "ACOS": _one(math.acos),
    "ASIN": _one(math.asin),
    "ATAN": _one(math.atan),
    "ATN2": _two(math.atan2),
    "CEILING": _one(math.ceil),
    "COS": _one(math.cos),
    "COT": _one(lambda value: 1 / math.tan(value)),
    "DEGREES": _one(math.degrees),
    "EXP": _one(math.exp),
    "FLOOR": _one(math.floor),
    "LOG": typed(_of(_log), Rank.NUMBER, Rank.NUMBER, optional=1),
    "LOG10": _one(math.log10),
    "NUMBERBIN": typed(
        _of(lambda value, size=1: math.floor(value / size) * size), Rank.NUMBER, Rank.NUMBER, optional=1
    ),
    "PI": Function(lambda _: math.pi, 0, 0),
    "POWER": _two(math.pow),
    "RADIANS": _one(math.radians),
    "RAND": Function(lambda _: random.random(), 0, 0),  # noqa: S311 - as random as the service's
    "ROUND": typed(_of(_round), Rank.NUMBER, Rank.NUMBER, optional=1),
    "SIGN": _one(_sign),
    "SIN": _one(math.sin),
    "SQRT": _one(math.sqrt),
    "SQUARE": _one(lambda value: float(value) * value),
    "TAN": _one(math.tan),
    "TRUNC": _one(math.trunc),
}
