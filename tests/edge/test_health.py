"""Health: the worst dependency decides, in bounded time, and a broker that takes no orders says when to ask again."""

import asyncio
import time
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest

from functions.health import get_health
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.health import PostgresProgress
from shared.application import health as health_use_case
from shared.application.health import Dependency, judge_progress
from shared.contracts.health import DependencyState, HealthView
from shared.ports.health import Progress
from tests.edge.support import App, call
from tests.support.broker import Broker


class Health:
    """Answers what it is made with."""

    def __init__(self, status: str) -> None:
        self._status = status

    async def get(self) -> HealthView:
        return HealthView(status=cast(Any, self._status), dependencies=[])


@pytest.mark.parametrize(
    ("status", "code", "retry_after"), [("OK", 200, None), ("DEGRADED", 200, None), ("DOWN", 503, "1")]
)
async def test_a_broker_that_is_down_says_when_to_ask_again(
    app: App, status: str, code: int, retry_after: str | None
) -> None:
    app.health = Health(status)  # type: ignore[attr-defined]

    answer = await call(get_health, user=None)
    assert (answer.status, answer.headers.get("Retry-After"), answer.json["status"]) == (code, retry_after, status)


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


async def _up() -> None:
    return None


async def _late() -> DependencyState:
    return DependencyState.DEGRADED


async def _broken() -> None:
    raise OSError("connection refused by 10.0.0.1")


@pytest.mark.parametrize(
    ("required", "optional", "status"),
    [
        (_up, _up, "OK"),
        (_up, _broken, "DEGRADED"),
        (_late, _up, "DEGRADED"),
        (_broken, _up, "DOWN"),
        (_never, _never, "DOWN"),
    ],
)
async def test_health_names_the_worst_dependency(required: Any, optional: Any, status: str) -> None:
    health = health_use_case.Health(
        [Dependency("ledger", required=True, probe=required), Dependency("cache", required=False, probe=optional)],
        bound_s=0.05,
    )
    found = await health.get()
    assert found.status == status
    assert "10.0.0.1" not in found.model_dump_json()
    assert all(each.ms < 1000 for each in found.dependencies)


class Stubborn:
    """A driver that answers to being cancelled as late as to anything else."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def probe(self) -> None:
        self.asked += 1
        await asyncio.shield(asyncio.ensure_future(self.answer.wait()))


async def test_a_frozen_dependency_is_asked_once_and_answered_in_time() -> None:
    frozen = Stubborn()
    health = health_use_case.Health([Dependency("ledger", required=True, probe=frozen.probe)], bound_s=0.05)
    began = time.monotonic()
    assert [(await health.get()).status for _ in range(3)] == ["DOWN"] * 3
    assert time.monotonic() - began < 1
    assert frozen.asked == 1
    frozen.answer.set()
    assert [(await health.get()).status for _ in range(2)] == ["OK"] * 2
    assert frozen.asked == 2


async def test_dear_answers_are_kept_for_a_while() -> None:
    asked = []

    async def probe() -> None:
        asked.append(1)

    health = health_use_case.Health([Dependency("bus", required=False, probe=probe, keep_s=60)])
    assert [(await health.get()).status for _ in range(3)] == ["OK"] * 3
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("waiting_s", "since_sweep_s", "state"),
    [
        (None, 4, DependencyState.UP),
        (2, 4, DependencyState.UP),
        (4, 4, DependencyState.DEGRADED),
        (14, 4, DependencyState.DEGRADED),
        (16, 4, DependencyState.DOWN),
        (None, 16, DependencyState.DEGRADED),
        (None, None, DependencyState.DEGRADED),
        (16, None, DependencyState.DOWN),
    ],
)
async def test_old_backlog_or_missing_sweep_shows(
    waiting_s: float | None, since_sweep_s: float | None, state: DependencyState
) -> None:
    class Reader:
        async def progress(self) -> Progress:
            return Progress(*(None if each is None else timedelta(seconds=each) for each in (waiting_s, since_sweep_s)))

    assert await judge_progress(Reader()) is state


@pytest.mark.parametrize(
    "age",
    [
        "UPDATE dispatch_queue SET accepted_at = now() - interval '20 s'",
        "UPDATE sagas SET taken_at = now() - interval '30 s'",
        "INSERT INTO exchange_outbox VALUES (gen_random_uuid(), '1', '', now() - interval '20 s')",
    ],
)
async def test_each_kind_of_backlog_is_seen(broker: Broker, database: Database, age: str) -> None:
    await broker.submitted()
    await broker.place()
    progress = PostgresProgress(database)
    assert (await progress.progress()).since_sweep is None
    await broker.sweep.run(broker.sagas)
    assert await judge_progress(progress) is DependencyState.UP
    await broker.place()
    broker.rows(age)
    assert await judge_progress(progress) is DependencyState.DOWN


async def test_health_asks_postgresql_for_a_write(database: Database, postgres_url: str) -> None:
    """A server without room answers reads."""
    position = "SELECT pg_current_wal_insert_lsn()"
    with psycopg.connect(postgres_url, autocommit=True) as beside:
        before = beside.execute(position).fetchone()
        await PostgresProgress(database).write()
        assert beside.execute(position).fetchone() != before
