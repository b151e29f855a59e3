"""Expressions as functions of a row: compiled once for a query, called for each document.

Undefined is a value of its own: any operation on it is undefined, AND and OR excepted where the other side decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.cosmos.sql import like
from emulators.cosmos.sql.aggregates import AGGREGATES, Aggregate
from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.functions import FUNCTIONS
from emulators.cosmos.sql.operators import BINARY, UNARY, compare
from emulators.cosmos.sql.syntax import (
    Alias,
    ArrayOf,
    Between,
    Binary,
    Call,
    Conditional,
    Constant,
    Expression,
    In,
    Like,
    Logical,
    Member,
    ObjectOf,
    Parameter,
    QuerySyntaxError,
    Select,
    Subquery,
    SubqueryKind,
    Unary,
)
from emulators.cosmos.values import UNDEFINED, Value, equal

type Row = dict[str, Value]
"""Input sets by alias; `AGGREGATED` holds the results of aggregates."""
type Scalar = Callable[[Row], Value]

AGGREGATED = "$aggregates"


@dataclass(frozen=True, slots=True)
class Context:
    """What compiling needs: parameters, the budget, how a subquery is run, and where aggregates are collected.

    `aggregates` is None where none may stand.
    """

    parameters: Mapping[str, Value]
    budget: Budget
    run: "Callable[[Select, Context], Callable[[Row], list[Value]]]"
    aggregates: list[Aggregate] | None = field(default=None)

    def without_aggregates(self) -> "Context":
        return Context(self.parameters, self.budget, self.run)


def compile_scalar(expression: Expression, context: Context) -> Scalar:
    """The expression as a function. Raises QuerySyntaxError."""
    compiler: Any = _COMPILERS[type(expression)]
    compiled: Scalar = compiler(expression, context)
    return compiled


def constant(expression: Expression, context: Context) -> Value:
    """The value of an expression that needs no row. Raises QuerySyntaxError for any other."""
    if not isinstance(expression, Constant | Parameter | Unary):
        raise QuerySyntaxError("A constant or a parameter is expected.")
    return compile_scalar(expression, context)({})


def _constant(node: Constant, _: Context) -> Scalar:
    value = node.value
    return lambda _: value


def _parameter(node: Parameter, context: Context) -> Scalar:
    # A parameter that is not given is undefined, as the service has it.
    value = context.parameters.get(node.name, UNDEFINED)
    return lambda _: value


def _alias(node: Alias, _: Context) -> Scalar:
    name = node.name
    return lambda row: row[name]


def _member(node: Member, context: Context) -> Scalar:
    base, index = compile_scalar(node.base, context), compile_scalar(node.index, context)
    if isinstance(node.index, Constant) and isinstance(node.index.value, str):
        name = node.index.value

        def named(row: Row) -> Value:
            value = base(row)
            return value.get(name, UNDEFINED) if type(value) is dict else UNDEFINED

        return named
    return lambda row: _at(base(row), index(row))


def _at(base: Value, index: Value) -> Value:
    if type(base) is dict and type(index) is str:
        return base.get(index, UNDEFINED)
    if type(base) is list and type(index) is int and 0 <= index < len(base):
        return base[index]
    return UNDEFINED


def _unary(node: Unary, context: Context) -> Scalar:
    operate, operand = UNARY[node.operator], compile_scalar(node.operand, context)
    return lambda row: operate(operand(row))


def _binary(node: Binary, context: Context) -> Scalar:
    left, right = compile_scalar(node.left, context), compile_scalar(node.right, context)
    if node.operator == "??":
        return lambda row: right(row) if (value := left(row)) is UNDEFINED else value
    if node.operator == "||":
        budget = context.budget
        return lambda row: _joined(left(row), right(row), budget)
    operate = BINARY[node.operator]
    return lambda row: operate(left(row), right(row))


def _joined(left: Value, right: Value, budget: Budget) -> Value:
    if type(left) is not str or type(right) is not str:
        return UNDEFINED
    budget.check_text(len(left) + len(right))
    return left + right


def _logical(node: Logical, context: Context) -> Scalar:
    """AND is decided by one false, OR by one true; otherwise anything that is no boolean makes it undefined."""
    operands = [compile_scalar(operand, context) for operand in node.operands]
    decisive = node.operator == "OR"

    def decided(row: Row) -> Value:
        result: Value = not decisive
        for operand in operands:
            value = operand(row)
            if value is decisive:
                return decisive
            if type(value) is not bool:
                result = UNDEFINED
        return result

    return decided


def _between(node: Between, context: Context) -> Scalar:
    operand = compile_scalar(node.operand, context)
    low, high = compile_scalar(node.low, context), compile_scalar(node.high, context)

    def tested(row: Row) -> Value:
        value = operand(row)
        above, below = compare(value, low(row)), compare(value, high(row))
        if above is None or below is None:
            return UNDEFINED
        return (above >= 0 and below <= 0) is not node.negated

    return tested


def _in(node: In, context: Context) -> Scalar:
    operand = compile_scalar(node.operand, context)
    choices = [compile_scalar(choice, context) for choice in node.choices]

    def tested(row: Row) -> Value:
        value = operand(row)
        if value is UNDEFINED:
            return UNDEFINED
        context.budget.spend()
        return any(equal(value, choice(row)) for choice in choices) is not node.negated

    return tested


def _like(node: Like, context: Context) -> Scalar:
    operand, pattern = compile_scalar(node.operand, context), compile_scalar(node.pattern, context)
    compiled: dict[str, like.Pattern] = {}

    def tested(row: Row) -> Value:
        text, wanted = operand(row), pattern(row)
        if type(text) is not str or type(wanted) is not str:
            return UNDEFINED
        if wanted not in compiled:
            compiled.clear()
            compiled[wanted] = like.compile_pattern(wanted, node.escape)
        return like.matches(compiled[wanted], text, context.budget) is not node.negated

    return tested


def _conditional(node: Conditional, context: Context) -> Scalar:
    condition = compile_scalar(node.condition, context)
    chosen, otherwise = compile_scalar(node.chosen, context), compile_scalar(node.otherwise, context)
    return lambda row: chosen(row) if condition(row) is True else otherwise(row)


def _array(node: ArrayOf, context: Context) -> Scalar:
    elements = [compile_scalar(element, context) for element in node.elements]
    return lambda row: [value for element in elements if (value := element(row)) is not UNDEFINED]


def _object(node: ObjectOf, context: Context) -> Scalar:
    members = [(name, compile_scalar(member, context)) for name, member in node.members]
    return lambda row: {name: value for name, member in members if (value := member(row)) is not UNDEFINED}


def _call(node: Call, context: Context) -> Scalar:
    if node.function in AGGREGATES:
        return _aggregate(node, context)
    function = FUNCTIONS.get(node.function)
    if function is None:
        raise QuerySyntaxError(f"'{node.function}' is not a recognized built-in function name.")
    if not function.fewest <= len(node.arguments) <= function.most:
        raise QuerySyntaxError(f"The {node.function} function has another number of arguments.")
    arguments = [compile_scalar(argument, context) for argument in node.arguments]
    apply, budget = function.apply, context.budget
    return lambda row: apply(budget, *[argument(row) for argument in arguments])


def _aggregate(node: Call, context: Context) -> Scalar:
    if context.aggregates is None:
        raise QuerySyntaxError(
            f"The aggregate {node.function} may stand in a SELECT list only, and not in another one."
        )
    if len(node.arguments) != 1:
        raise QuerySyntaxError(f"The {node.function} function takes one argument.")
    argument = compile_scalar(node.arguments[0], context.without_aggregates())
    place = len(context.aggregates)
    context.aggregates.append(Aggregate(node.function, argument))
    return lambda row: row[AGGREGATED][place]


def _subquery(node: Subquery, context: Context) -> Scalar:
    run = context.run(node.select, context.without_aggregates())
    if node.kind is SubqueryKind.EXISTS:
        return lambda row: bool(run(row))
    if node.kind is SubqueryKind.ARRAY:
        return run
    if node.select.value is None:
        raise QuerySyntaxError("A scalar subquery needs SELECT VALUE.")

    def only(row: Row) -> Value:
        found = run(row)
        return found[0] if len(found) == 1 else UNDEFINED

    return only


_COMPILERS = {
    Constant: _constant,
    Parameter: _parameter,
    Alias: _alias,
    Member: _member,
    Unary: _unary,
    Binary: _binary,
    Logical: _logical,
    Between: _between,
    In: _in,
    Like: _like,
    Conditional: _conditional,
    Call: _call,
    ArrayOf: _array,
    ObjectOf: _object,
    Subquery: _subquery,
}
