"""What a statement reads: rows and blocks, of every statement that the shipped adapters send.

Plans alone prove nothing, because sessions are set to avoid sequential scans whatever they cost: each statement is run
by EXPLAIN first, in a savepoint that is rolled back, with the session's own settings and a generic plan.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from psycopg import AsyncConnection, AsyncCursor, pq, sql

from shared.adapters.postgres import database
from shared.adapters.postgres.queries import load

_ADAPTERS: Final = Path(database.__file__).parent
_PARAMETER: Final = re.compile(r"%\((\w+)\)s|%%")
_SCANNED: Final = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
_MOST: Final = 1.5
_SLACK: Final = 4
type Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """The most that one run of a statement read: rows that its scans met, and shared blocks of 8 kB."""

    rows: float
    blocks: int
    ms: float


class Readings(dict[str, Reading]):
    """By name, `file/statement`; the largest of several runs."""

    def add(self, name: str, new: Reading) -> None:
        known = self.get(name, Reading(0, 0, 0))
        self[name] = Reading(max(known.rows, new.rows), max(known.blocks, new.blocks), max(known.ms, new.ms))


def grown(small: Readings, large: Readings) -> dict[str, tuple[Reading, Reading]]:
    """The statements that read more than half as much again; an index one level deeper is allowed for."""
    both = {name: (small[name], large[name]) for name in small.keys() & large.keys()}
    return {
        name: (before, after)
        for name, (before, after) in both.items()
        if after.rows > _MOST * before.rows + _SLACK or after.blocks > _MOST * before.blocks + _SLACK
    }


def named_statements() -> dict[str, str]:
    """Everything that the adapters may send, but settings, by `file/statement`."""
    files = {file.stem: load(file.name) for file in _ADAPTERS.glob("*.sql")}
    named = {f"{file}/{name}": text for file, texts in files.items() for name, text in texts.items()}
    return {name: text for name, text in named.items() if not text.startswith("SET ")}


@contextmanager
def readings() -> Iterator[Readings]:
    """Of everything that pools opened inside the block send. Their connections must not outlive it."""
    found = Readings()
    names = {text: name for name, text in named_statements().items()}

    class Explaining(AsyncConnection[Any]):
        """Explains each named statement before it runs it."""

        async def execute(self, query: Any, params: Any = None, **options: Any) -> AsyncCursor[Any]:
            if query in names:
                found.add(names[query], await _explained(self, query, params))
            return await super().execute(query, params, **options)

    with patch.object(database, "_Connection", Explaining):
        yield found


async def _explained(connection: AsyncConnection[Any], query: str, params: Mapping[str, Any] | None) -> Reading:
    async with connection.pipeline() as pipeline:
        await pipeline.sync()
    run = partial(AsyncConnection.execute, connection)
    inside = connection.info.transaction_status is pq.TransactionStatus.INTRANS
    await run("SAVEPOINT explained" if inside else "BEGIN", prepare=False)
    statement, values = (query, []) if params is None else _numbered(query, params)
    await run(sql.SQL("PREPARE explained AS ") + sql.SQL(statement), prepare=False)
    literals = sql.SQL(", ").join(sql.Literal(value) for value in values)
    execute = sql.SQL("EXECUTE explained ({})").format(literals) if values else sql.SQL("EXECUTE explained")
    cursor = await run(sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ") + execute, prepare=False)
    row = await cursor.fetchone()
    await run("DEALLOCATE explained", prepare=False)
    await run("ROLLBACK TO explained" if inside else "ROLLBACK", prepare=False)
    assert row is not None
    plan = row[0][0]["Plan"]
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return Reading(sum(_rows(plan)), blocks, row[0][0]["Execution Time"])


def _numbered(query: str, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement with `$1` for its parameters, and their values in that order."""
    places: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        return "%" if match[0] == "%%" else f"${places.setdefault(match[1], len(places) + 1)}"

    text = _PARAMETER.sub(place, query)
    return text, [params[name] for name in places]


def _rows(plan: Plan) -> Iterator[float]:
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        yield sum(plan.get(name, 0) for name in _SCANNED) * plan["Actual Loops"]
    for child in plan.get("Plans", ()):
        yield from _rows(child)
