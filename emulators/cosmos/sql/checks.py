"""What the service refuses of a query that can be parsed."""

from emulators.cosmos.sql.aggregates import AGGREGATES
from emulators.cosmos.sql.syntax import (
    Alias,
    Call,
    Expression,
    Member,
    QuerySyntaxError,
    Select,
    Subquery,
    descend,
)

_MAX_SOURCES = 11


def check_select(select: Select) -> None:
    """Raises QuerySyntaxError."""
    if len(select.sources) > _MAX_SOURCES:
        raise QuerySyntaxError("The query has more than 10 JOINs.")
    if select.star and len(select.sources) != 1:
        raise QuerySyntaxError("'SELECT *' is only valid with a single input set.")
    if select.top is not None and select.offset is not None:
        raise QuerySyntaxError("'TOP' cannot be used together with 'OFFSET LIMIT'.")
    _check_names(select)
    _check_grouping(select)
    for one in select.order_by:
        if not _is_path(one.expression):
            raise QuerySyntaxError("An ORDER BY item must be a path to a property.")


def projected(select: Select) -> list[Expression]:
    """The expressions of the SELECT list."""
    return [select.value] if select.value is not None else [one.expression for one in select.members]


def has_aggregates(node: object) -> bool:
    """Whether an aggregate stands in the expression, outside of subqueries."""
    if isinstance(node, Subquery):
        return False
    return (isinstance(node, Call) and node.function in AGGREGATES) or any(map(has_aggregates, descend(node)))


def is_grouped(select: Select) -> bool:
    """Whether rows are folded into groups, of which there may be one."""
    return bool(select.group_by) or any(map(has_aggregates, projected(select)))


def _check_names(select: Select) -> None:
    names = [one.name for one in select.members if one.name is not None]
    if len(set(names)) < len(names):
        raise QuerySyntaxError("Two members of the SELECT list have the same name.")


def _check_grouping(select: Select) -> None:
    if not is_grouped(select):
        return
    if select.star:
        raise QuerySyntaxError("'SELECT *' cannot be used together with GROUP BY.")
    if select.order_by:
        raise QuerySyntaxError("'ORDER BY' cannot be used together with GROUP BY or aggregates.")
    for expression in projected(select):
        _check_member(expression, select)


def _check_member(node: object, select: Select) -> None:
    """A path of a grouped list must be one that is grouped by, or stand in an aggregate."""
    if (
        node in select.group_by
        or isinstance(node, Subquery)
        or (isinstance(node, Call) and node.function in AGGREGATES)
    ):
        return
    if isinstance(node, Alias) and any(node.name == source.alias for source in select.sources):
        raise QuerySyntaxError(
            f"Property reference '{node.name}' is invalid in the select list because it is not contained in either "
            "an aggregate function or the GROUP BY clause."
        )
    for below in descend(node):
        _check_member(below, select)


def _is_path(expression: Expression) -> bool:
    while isinstance(expression, Member):
        expression = expression.base
    return isinstance(expression, Alias)
