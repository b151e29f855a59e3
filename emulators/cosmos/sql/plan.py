"""The plan of a query over several ranges of partition keys: what each range is asked, and what clients do with it.

Form of the answer: `_PartitionedQueryExecutionInfo` of azure-cosmos, `_execution_context/query_execution_info.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from emulators.cosmos.sql.budget import Budget
from emulators.cosmos.sql.checks import has_aggregates, is_grouped, projected
from emulators.cosmos.sql.program import Program, compile_query, named
from emulators.cosmos.sql.syntax import (
    Alias,
    ArrayOf,
    Call,
    Constant,
    Expression,
    Member,
    ObjectOf,
    Select,
    descend,
)
from emulators.cosmos.sql.writer import write
from emulators.cosmos.values import Value

_AGGREGATES = {
    "AVG": "Average",
    "COUNT": "Count",
    "COUNTIF": "CountIf",
    "MAX": "Max",
    "MIN": "Min",
    "SUM": "Sum",
}


class UnsupportedFeatureError(Exception):
    """The client cannot combine the results of the ranges."""

    def __init__(self, *features: str) -> None:
        super().__init__(
            "Query contains the following features, which the calling client does not support: " + ", ".join(features)
        )


def needs_plan(select: Select) -> bool:
    """Whether results of several ranges have to be combined; otherwise one follows the other."""
    bounded = select.top is not None or select.limit is not None
    return is_grouped(select) or bool(select.order_by) or select.distinct or bounded


def plan(
    select: Select, parameters: Mapping[str, Value], supported: Collection[str], ranges: list[dict[str, Any]]
) -> dict[str, Any]:
    """The answer for a client that supports these features. Raises QuerySyntaxError, UnsupportedFeatureError."""
    program = compile_query(select, parameters, Budget())
    aggregates = _aggregates(select)
    _check_supported(select, aggregates, supported)
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": _distinct_type(select),
            "top": program.top,
            "offset": program.offset if select.offset is not None else None,
            "limit": program.limit,
            "orderBy": ["Descending" if one.descending else "Ascending" for one in select.order_by],
            "orderByExpressions": [write_expression(one.expression) for one in select.order_by],
            "groupByExpressions": [],
            "groupByAliases": [],
            "aggregates": aggregates,
            "groupByAliasToAggregateType": {},
            "rewrittenQuery": write(_rewritten(select, program)) if needs_plan(select) else "",
            "hasSelectValue": select.value is not None,
            "dCountInfo": None,
            "hasNonStreamingOrderBy": False,
        },
        "queryRanges": ranges,
    }


def write_expression(expression: Expression) -> str:
    """An expression as text."""
    return write(Select(value=expression)).removeprefix("SELECT VALUE ")


def _check_supported(select: Select, aggregates: list[str], supported: Collection[str]) -> None:
    missing = []
    if select.group_by:
        missing.append("GroupBy")
    if aggregates and select.value is not None and not _is_aggregate(select.value):
        missing.append("NonValueAggregate")
    used = {
        "Aggregate": bool(aggregates),
        "Distinct": select.distinct,
        "OrderBy": bool(select.order_by),
        "MultipleOrderBy": len(select.order_by) > 1,
        "OffsetAndLimit": select.limit is not None,
        "Top": select.top is not None,
    }
    missing += [feature for feature, is_used in used.items() if is_used and feature not in supported]
    if missing:
        raise UnsupportedFeatureError(*missing)


def _distinct_type(select: Select) -> str:
    if not select.distinct:
        return "None"
    return "Ordered" if select.order_by else "Unordered"


def _aggregates(select: Select) -> list[str]:
    """The client combines the aggregate of VALUE; in lists it counts them only, in order to refuse them."""
    found: list[str] = []
    pending: list[Any] = list(projected(select))
    while pending:
        node = pending.pop(0)
        if isinstance(node, Call) and node.function in _AGGREGATES:
            found.append(_AGGREGATES[node.function])
        elif has_aggregates(node):
            pending += descend(node)
    return found


def _is_aggregate(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.function in _AGGREGATES


def _rewritten(select: Select, program: Program) -> Select:
    """What each range is asked: enough of its rows, with what they are sorted by."""
    if select.limit is not None:
        select = replace(select, offset=Constant(0), limit=Constant(program.most))
    if select.order_by:
        return replace(_with_order(select), distinct=False)
    if select.value is not None and _is_aggregate(select.value):
        item = ObjectOf((("item", _partial(select.value)),))
        return replace(select, value=ArrayOf((item,)))
    return select


def _partial(aggregate: Expression) -> Expression:
    """An average cannot be combined; sums and counts can."""
    assert isinstance(aggregate, Call)
    if aggregate.function != "AVG":
        return aggregate
    return ObjectOf((("sum", Call("SUM", aggregate.arguments)), ("count", Call("COUNT", aggregate.arguments))))


def _with_order(select: Select) -> Select:
    alias = Alias(select.sources[0].alias)
    items = ArrayOf(tuple(ObjectOf((("item", one.expression),)) for one in select.order_by))
    members = (
        ("_rid", Member(alias, Constant("_rid"))),
        ("orderByItems", items),
        ("payload", _payload(select)),
    )
    return replace(select, star=False, value=ObjectOf(members), members=())


def _payload(select: Select) -> Expression:
    if select.value is not None:
        return select.value
    if select.star:
        return Alias(select.sources[0].alias)
    return ObjectOf(tuple((name, one.expression) for name, one in named(select.members)))
