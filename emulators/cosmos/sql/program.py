"""A compiled query: what it makes of documents, one after the other.

The order of work is the language's: FROM and JOIN, WHERE, GROUP BY, SELECT, DISTINCT, ORDER BY, OFFSET LIMIT and TOP.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from emulators.cosmos.limits import MAX_KEPT_BYTES
from emulators.cosmos.sql.aggregates import Accumulator, Aggregate
from emulators.cosmos.sql.budget import Budget, QueryTooCostlyError
from emulators.cosmos.sql.checks import check_select
from emulators.cosmos.sql.parser import ROOT
from emulators.cosmos.sql.scalars import AGGREGATED, Context, Row, Scalar, compile_scalar, constant
from emulators.cosmos.sql.syntax import Expression, Projected, QuerySyntaxError, Select, Source, Subquery
from emulators.cosmos.values import UNDEFINED, Value, identity, is_number, order_key

_MAX_COUNT = 2**31 - 1
_ROW_BYTES = 200


class Program:
    """A query, ready for documents."""

    def __init__(self, select: Select, context: Context) -> None:
        check_select(select)
        self._budget = context.budget
        self._rows = _compile_sources(select, context)
        self._where = None if select.where is None else compile_scalar(select.where, context)
        self.aggregates: list[Aggregate] = []
        inner = Context(context.parameters, context.budget, context.run, self.aggregates)
        self.project = _compile_projection(select, inner)
        self.group_by = [compile_scalar(expression, context) for expression in select.group_by]
        self.order_by = [(compile_scalar(one.expression, context), one.descending) for one in select.order_by]
        self.distinct = select.distinct
        self.top = _count(select.top, context)
        self.offset = _count(select.offset, context) or 0
        self.limit = _count(select.limit, context)

    @property
    def grouped(self) -> bool:
        """Whether rows are folded into groups, of which there may be one."""
        return bool(self.group_by or self.aggregates)

    @property
    def streams(self) -> bool:
        """Whether each document's results depend on that document alone."""
        bounded = self.top is not None or self.limit is not None
        return not (self.grouped or self.order_by or self.distinct or bounded)

    @property
    def most(self) -> int:
        """How many results are of interest at most, those that OFFSET leaves out included."""
        counts = [self.top, None if self.limit is None else self.offset + self.limit]
        return min((count for count in counts if count is not None), default=_MAX_COUNT)

    def rows(self, row: Row) -> Iterator[Row]:
        """The rows that FROM, JOIN and WHERE make of one document, or of an outer query's row."""
        where = self._where
        for found in self._rows(row):
            if where is None or where(found) is True:
                yield found

    def row(self, document: Value) -> Row:
        """The row that a document is before FROM; its work is counted from here."""
        self._budget.renew()
        return {ROOT: document}

    def results(self, document: Value) -> Iterator[Value]:
        """What a streaming query makes of one document."""
        for row in self.rows(self.row(document)):
            value = self.project(row)
            if value is not UNDEFINED:
                yield value


@dataclass(slots=True)
class _Group:
    row: Row
    accumulators: list[Accumulator]


class Collector:
    """Takes all documents of a query that does not stream, then gives its results in order."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._kept_bytes = 0
        self._seen: set[Value] = set()
        self._groups: dict[Value, _Group] = {}
        self._results: list[tuple[list[Value], Value]] = []
        if program.aggregates and not program.group_by:
            # Without GROUP BY there is one group, also of no documents.
            self._groups[()] = self._new_group({})

    @property
    def satisfied(self) -> bool:
        """Whether more documents could change nothing."""
        program = self._program
        ordered = program.grouped or program.order_by
        return not ordered and len(self._results) >= program.most

    def add(self, row: Row, size: int = 0) -> None:
        """One document, or an outer query's row; `size` in bytes. Raises QueryTooCostlyError."""
        for found in self._program.rows(row):
            if self._program.grouped:
                self._add_to_group(found, size)
            else:
                self._keep(found, size)
            if self.satisfied:
                return

    def results(self) -> list[Value]:
        """After the last document."""
        program = self._program
        for group in self._groups.values():
            self._keep({**group.row, AGGREGATED: [one.result for one in group.accumulators]}, 0)
        self._groups.clear()
        self._sort()
        found = [value for _, value in self._results[: program.most]]
        return found[program.offset :]

    def _add_to_group(self, row: Row, size: int) -> None:
        key = tuple(identity(expression(row)) for expression in self._program.group_by)
        group = self._groups.get(key)
        if group is None:
            self._remember(size if self._program.group_by else 0)
            group = self._groups[key] = self._new_group(row)
        for aggregate, accumulator in zip(self._program.aggregates, group.accumulators, strict=True):
            accumulator.add(aggregate.argument(row))

    def _new_group(self, row: Row) -> _Group:
        return _Group(row, [aggregate.start() for aggregate in self._program.aggregates])

    def _keep(self, row: Row, size: int) -> None:
        program = self._program
        value = program.project(row)
        if value is UNDEFINED:
            return
        if program.distinct:
            known = identity(value)
            if known in self._seen:
                return
            self._seen.add(known)
        self._remember(size)
        self._results.append(([expression(row) for expression, _ in program.order_by], value))
        if program.order_by and len(self._results) > 2 * program.most + 1000:
            self._sort()
            del self._results[program.most :]
            self._kept_bytes //= 2

    def _sort(self) -> None:
        """By the last key first: sorting is stable, so earlier keys prevail, and documents stay in their order."""
        for place, (_, descending) in reversed(list(enumerate(self._program.order_by))):
            self._results.sort(key=lambda one: order_key(one[0][place]), reverse=descending)

    def _remember(self, size: int) -> None:
        self._kept_bytes += size + _ROW_BYTES
        if self._kept_bytes > MAX_KEPT_BYTES:
            raise QueryTooCostlyError("The query keeps more than one request may: narrow it by a filter, or add LIMIT.")


def compile_query(select: Select, parameters: Mapping[str, Value], budget: Budget | None = None) -> Program:
    """The query with its parameters (names with the at sign). Raises QuerySyntaxError."""
    return Program(select, Context(parameters, budget or Budget(), _compile_subquery))


def _compile_subquery(select: Select, context: Context) -> Callable[[Row], list[Value]]:
    program = Program(select, context)

    def run(row: Row) -> list[Value]:
        collector = Collector(program)
        collector.add(row)
        return collector.results()

    return run


def _count(expression: Expression | None, context: Context) -> int | None:
    if expression is None:
        return None
    value = constant(expression, context)
    if not (is_number(value) and float(value).is_integer() and 0 <= value <= _MAX_COUNT):
        raise QuerySyntaxError("TOP, OFFSET and LIMIT take a whole number of zero or more.")
    return int(value)


def _compile_sources(select: Select, context: Context) -> Callable[[Row], Iterator[Row]]:
    """Rows of all input sets: the later one for each row of those before it."""
    sources = [(source.alias, _compile_source(source, context)) for source in select.sources]

    def expand(row: Row, place: int) -> Iterator[Row]:
        if place == len(sources):
            yield row
            return
        alias, values = sources[place]
        for value in values(row):
            context.budget.spend()
            yield from expand({**row, alias: value}, place + 1)

    return lambda row: expand(row, 0)


def _compile_source(source: Source, context: Context) -> Callable[[Row], list[Value]]:
    if isinstance(source.origin, Subquery):
        found = _compile_subquery(source.origin.select, context)
    else:
        scalar = compile_scalar(source.origin, context)

        def found(row: Row) -> list[Value]:
            value = scalar(row)
            return [] if value is UNDEFINED else [value]

    if not source.iterates:
        return found
    return lambda row: [element for value in found(row) if type(value) is list for element in value]


def _compile_projection(select: Select, context: Context) -> Scalar:
    if select.value is not None:
        return compile_scalar(select.value, context)
    if select.star:
        alias = select.sources[0].alias
        return lambda row: row[alias]
    members = [(name, compile_scalar(one.expression, context)) for name, one in named(select.members)]
    return lambda row: {name: value for name, member in members if (value := member(row)) is not UNDEFINED}


def named(members: tuple[Projected, ...]) -> list[tuple[str, Projected]]:
    """The members of a SELECT list with their names; those without one are `$1`, `$2` and so on."""
    found: list[tuple[str, Projected]] = []
    unnamed = 0
    for one in members:
        if one.name is None:
            unnamed += 1
        found.append((one.name if one.name is not None else f"${unnamed}", one))
    return found
