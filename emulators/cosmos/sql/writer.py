"""Writes syntax trees as queries again, for those that a plan has rewritten."""

from typing import Any

import orjson

from emulators.cosmos.sql.parser import ROOT
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
    Select,
    Source,
    Subquery,
    Unary,
)
from emulators.cosmos.sql.tokens import quoted
from emulators.cosmos.values import UNDEFINED


def write(select: Select) -> str:
    """The query as text."""
    words = ["SELECT"]
    if select.distinct:
        words.append("DISTINCT")
    if select.top is not None:
        words += ["TOP", _expression(select.top)]
    words.append(_list(select))
    if select.sources:
        words += ["FROM", " JOIN ".join(map(_source, select.sources))]
    if select.where is not None:
        words += ["WHERE", _expression(select.where)]
    if select.group_by:
        words += ["GROUP BY", ", ".join(map(_expression, select.group_by))]
    if select.order_by:
        orders = (f"{_expression(one.expression)} {'DESC' if one.descending else 'ASC'}" for one in select.order_by)
        words += ["ORDER BY", ", ".join(orders)]
    if select.offset is not None and select.limit is not None:
        words += ["OFFSET", _expression(select.offset), "LIMIT", _expression(select.limit)]
    return " ".join(words)


def _list(select: Select) -> str:
    if select.star:
        return "*"
    if select.value is not None:
        return f"VALUE {_expression(select.value)}"
    members = (
        _expression(one.expression) + (f" AS {quoted(one.name)}" if one.name is not None else "")
        for one in select.members
    )
    return ", ".join(members)


def _source(source: Source) -> str:
    if source.iterates:
        return f"{source.alias} IN {_expression(source.origin)}"
    return f"{_expression(source.origin)} AS {source.alias}"


def _expression(expression: Expression) -> str:
    writer: Any = _WRITERS[type(expression)]
    text: str = writer(expression)
    return text


def _constant(node: Constant) -> str:
    return "undefined" if node.value is UNDEFINED else orjson.dumps(node.value).decode()


def _alias(node: Alias) -> str:
    # Where the outermost FROM begins, any word stands for the container.
    return "root" if node.name == ROOT else node.name


def _between(node: Between) -> str:
    operator = "NOT BETWEEN" if node.negated else "BETWEEN"
    return f"({_expression(node.operand)} {operator} {_expression(node.low)} AND {_expression(node.high)})"


def _in(node: In) -> str:
    operator = "NOT IN" if node.negated else "IN"
    return f"({_expression(node.operand)} {operator} ({', '.join(map(_expression, node.choices))}))"


def _like(node: Like) -> str:
    operator = "NOT LIKE" if node.negated else "LIKE"
    escape = f" ESCAPE {quoted(node.escape)}" if node.escape is not None else ""
    return f"({_expression(node.operand)} {operator} {_expression(node.pattern)}{escape})"


def _conditional(node: Conditional) -> str:
    return f"({_expression(node.condition)} ? {_expression(node.chosen)} : {_expression(node.otherwise)})"


def _object(node: ObjectOf) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {_expression(member)}" for name, member in node.members) + "}"


_WRITERS = {
    Constant: _constant,
    Parameter: lambda node: node.name,
    Alias: _alias,
    Member: lambda node: f"{_expression(node.base)}[{_expression(node.index)}]",
    Unary: lambda node: f"({node.operator} {_expression(node.operand)})",
    Binary: lambda node: f"({_expression(node.left)} {node.operator} {_expression(node.right)})",
    Logical: lambda node: "(" + f" {node.operator} ".join(map(_expression, node.operands)) + ")",
    Between: _between,
    In: _in,
    Like: _like,
    Conditional: _conditional,
    Call: lambda node: f"{node.function}({', '.join(map(_expression, node.arguments))})",
    ArrayOf: lambda node: f"[{', '.join(map(_expression, node.elements))}]",
    ObjectOf: _object,
    Subquery: lambda node: f"{node.kind.value}({write(node.select)})",
}
