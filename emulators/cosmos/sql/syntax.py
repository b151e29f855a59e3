"""The syntax tree of a query.

Grammar: https://learn.microsoft.com/azure/cosmos-db/nosql/query/select and the pages beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from emulators.cosmos.limits import MAX_EXPRESSION_DEPTH
from emulators.cosmos.values import Value


class QuerySyntaxError(Exception):
    """A query that the service would refuse; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Parameter:
    """`@name`, with the at sign."""

    name: str


@dataclass(frozen=True, slots=True)
class Alias:
    """An input set of FROM or JOIN."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`base.name`, `base["name"]`, `base[0]`, `base[@x]`."""

    base: "Expression"
    index: "Expression"


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Logical:
    """AND or OR over any number of operands."""

    operator: str
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Between:
    operand: "Expression"
    low: "Expression"
    high: "Expression"
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    operand: "Expression"
    choices: tuple["Expression", ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    operand: "Expression"
    pattern: "Expression"
    escape: str | None
    negated: bool


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? chosen : otherwise`."""

    condition: "Expression"
    chosen: "Expression"
    otherwise: "Expression"


@dataclass(frozen=True, slots=True)
class Call:
    """A function by its name in capitals."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ArrayOf:
    elements: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    members: tuple[tuple[str, "Expression"], ...]


class SubqueryKind(Enum):
    SCALAR = ""
    EXISTS = "EXISTS"
    ARRAY = "ARRAY"


@dataclass(frozen=True, slots=True)
class Subquery:
    kind: SubqueryKind
    select: "Select"


type Expression = (
    Constant
    | Parameter
    | Alias
    | Member
    | Unary
    | Binary
    | Logical
    | Between
    | In
    | Like
    | Conditional
    | Call
    | ArrayOf
    | ObjectOf
    | Subquery
)


@dataclass(frozen=True, slots=True)
class Source:
    """One input set: `FROM path alias` (`iterates` false), `alias IN path`, or a subquery."""

    alias: str
    origin: Expression
    iterates: bool


@dataclass(frozen=True, slots=True)
class Projected:
    """One member of SELECT's list; `name` is given, or taken from the last member of a path, else None."""

    expression: Expression
    name: str | None


@dataclass(frozen=True, slots=True)
class Order:
    expression: Expression
    descending: bool


@dataclass(frozen=True, slots=True)
class Select:
    """A query. Exactly one of `star`, `value` and `members` says what it gives."""

    star: bool = False
    value: Expression | None = None
    members: tuple[Projected, ...] = ()
    distinct: bool = False
    top: Expression | None = None
    sources: tuple[Source, ...] = ()
    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    order_by: tuple[Order, ...] = ()
    offset: Expression | None = None
    limit: Expression | None = None


def descend(node: Any) -> Iterator[Any]:
    """The nodes directly below a node of the tree."""
    for part in fields(node):
        found = getattr(node, part.name)
        for one in found if isinstance(found, tuple) else (found,):
            one = one[1] if isinstance(one, tuple) else one  # noqa: PLW2901 - the members of an object
            if hasattr(one, "__dataclass_fields__"):
                yield one


def check_height(select: Select) -> None:
    """Raises QuerySyntaxError for a tree that is too high to be walked by recursion."""
    level, height = [select], 0
    while level:
        level = [below for node in level for below in descend(node)]
        height += 1
        if height > 2 * MAX_EXPRESSION_DEPTH:
            raise QuerySyntaxError(f"The query is nested more than {MAX_EXPRESSION_DEPTH} levels deep.")
