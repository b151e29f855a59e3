"""The task hub's tables: connections, migrations, and the statements of the .sql files as methods.

Rules: every method is one statement and so one transaction; connections are in autocommit mode. Nothing
here decides anything: turns are computed before and applied after.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import psycopg
import yoyo
from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import set_json_loads

_FOLDER = Path(__file__).parent
# Any number will do that nothing else in the database uses: "durable" in ASCII, as a bigint.
_MIGRATION_LOCK = int.from_bytes(b"durable")


def _named_queries(text: str) -> dict[str, str]:
    parts = text.split("-- name: ")[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2].strip().rstrip(";") for part in parts}


def _with_births(queries: dict[str, str]) -> dict[str, str]:
    """Put what starts and children share into the statements of both."""
    shared = queries.pop("born").partition("\n")[2]

    def filled(query: str, asked: str, any_state: str) -> str:
        return queries[query].replace("{born}", shared.replace("{asked}", asked).replace("{any_state}", any_state))

    starts = filled("start_instances", "asked", "%(any_state)s")
    return queries | {"start_instances": starts, "commit/children": filled("commit/children", "child", "false")}


QUERIES = _with_births(_named_queries("".join((_FOLDER / name).read_text() for name in ("commit.sql", "queries.sql"))))


@dataclass(frozen=True, slots=True)
class HubRow:
    """A registered task hub."""

    partitions: int
    orchestrators: list[str]
    activities: list[str]
    entities: list[str]


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One partition as a worker sees it; `workers` counts the live ones."""

    partition: int
    mine: bool | None
    free: bool
    epoch: int
    workers: int


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A scheduled activity without outcome."""

    execution_id: uuid.UUID
    seq: int
    partition: int
    instance_id: str
    name: str
    input: str | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class TimerRow:
    """A timer that has not fired."""

    execution_id: uuid.UUID
    seq: int
    partition: int
    instance_id: str
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class ArrivalRow:
    """A message in the inbox; `sent_by` and `horizon` are transaction ids."""

    message: uuid.UUID
    instance_id: str
    execution_id: uuid.UUID | None
    incarnation: uuid.UUID | None
    event: dict[str, Any]
    sent_by: str
    position: int
    available: int
    horizon: str


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """An instance as clients see it; payloads are JSON texts."""

    instance_id: str
    execution_id: uuid.UUID
    name: str
    version: str | None
    status: str
    input: str | None
    output: str | None
    custom_status: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity as clients see it; `state` is a JSON text."""

    instance_id: str
    state: str | None
    updated_at: datetime


async def migrate(dsn: str) -> None:
    """Bring the schema `durable` of the database up to date; safe from several processes at once."""
    await asyncio.to_thread(_migrate, dsn)


def _migrate(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS durable")
        separator = "&" if "?" in dsn else "?"
        backend = yoyo.get_backend(f"postgresql+psycopg://{dsn.partition('://')[2]}{separator}schema=durable")
        try:
            # The advisory lock is ours, so a lock row can only be left by a process that was killed.
            backend.break_lock()
            migrations = yoyo.read_migrations(str(_FOLDER / "migrations"))
            backend.apply_migrations(backend.to_apply(migrations))
        finally:
            backend.connection.close()


# Statements are prepared once and their plans do not depend on their parameters.
OPTIONS = "-c plan_cache_mode=force_generic_plan"


async def connect(dsn: str) -> AsyncConnection[dict[str, Any]]:
    """A connection in autocommit mode whose rows are dictionaries."""
    connection = await AsyncConnection.connect(
        dsn, autocommit=True, row_factory=dict_row, connect_timeout=5, prepare_threshold=2, options=OPTIONS
    )
    set_json_loads(orjson.loads, connection)
    return connection


class Store:
    """The statements, over one connection; psycopg lets one statement run at a time."""

    def __init__(self, connection: AsyncConnection[dict[str, Any]], hub: str) -> None:
        self.connection = connection
        self.hub = hub

    async def rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        """Run a named query and return its rows, if it has any."""
        cursor = await self.connection.execute(QUERIES[query], {"hub": self.hub, **parameters})
        return await cursor.fetchall() if cursor.description else []

    async def commit(self, worker: str, groups: Mapping[str, Sequence[object]]) -> dict[str, Any]:
        """Commit the groups under the fences in `fences`.

        Answers `held` partitions, `advanced` executions and the messages of `refused` children.
        """
        present = tuple(name for name, rows in groups.items() if rows and name != "fences")
        given = json_parameters({name: groups[name] for name in ("fences", *present)})
        cursor = await self.connection.execute(commit_statement(present), {"hub": self.hub, "worker": worker, **given})
        answer = await cursor.fetchone()
        assert answer is not None
        return answer

    async def records[T](self, kind: type[T], query: str, **parameters: object) -> list[T]:
        """Run a named query and return its rows as records."""
        async with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(QUERIES[query], {"hub": self.hub, **parameters})
            return await cursor.fetchall()

    async def count(self, query: str, **parameters: object) -> int:
        """Run a named query and return how many rows it changed."""
        cursor = await self.connection.execute(QUERIES[query], {"hub": self.hub, **parameters})
        return cursor.rowcount

    async def wake(self, channel: str, partitions: Sequence[int], what: str = "arrived") -> None:
        """Notify the owners of the partitions that something `arrived` in the inbox or was `delayed`."""
        await self.rows("wake", channel=channel, payload=f"{what}:{','.join(map(str, sorted(partitions)))}")


@cache
def commit_statement(groups: tuple[str, ...]) -> str:
    """The statement that commits these groups of rows, and no more: empty parts would cost as much as full ones."""
    turns = () if "turns" in groups else ("no_turns",)
    parts = [QUERIES[f"commit/{name}"] for name in ("held", *turns, *groups)]
    answer = "answer_with_children" if "children" in groups else "answer"
    return f"WITH {', '.join(parts)} {QUERIES[f'commit/{answer}']}"


def json_parameters(groups: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Each list as the JSON text of one parameter."""
    return {name: orjson.dumps(rows).decode() for name, rows in groups.items()}
