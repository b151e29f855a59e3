"""The timer trigger of the running host: start-up, past due, retries, once across processes."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from emulators.processes.postgres import PostgresServer
from emulators.tests.functions_host.conftest import StartHost
from emulators.tests.functions_host.running import eventually

_HOURLY = "0 0 * * * *"


def runs_of(path: Path, name: str) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [run for run in map(json.loads, lines) if run["name"] == name]


def start(start_host: StartHost, dsn: str, runs: Path, name: str = "host") -> Any:
    return start_host("timers", "--database", dsn, name=name, RUNS=str(runs), HOURLY=_HOURLY)


def test_timer_runs_each_second_and_at_start(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    start(start_host, postgres.create_database("timers_run"), runs).wait_ready()
    eventually(lambda: len(runs_of(runs, "each_second")) >= 3, "three runs")
    (at_start,) = runs_of(runs, "at_start")
    assert at_start["past_due"] is False
    assert at_start["schedule"] == {"AdjustForDST": True}
    following = datetime.fromisoformat(at_start["status"]["Next"])
    assert (following.minute, following.second) == (0, 0)
    assert runs_of(runs, "yearly") == []


def test_failed_run_is_repeated_by_its_policy(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    start(start_host, postgres.create_database("timers_retry"), runs).wait_ready()
    eventually(lambda: runs_of(runs, "failing 2 of 2"), "the last repetition")
    eventually(lambda: len(runs_of(runs, "each_second")) >= 2, "time going on")
    assert [len(runs_of(runs, f"failing {count} of 2")) for count in range(4)] == [1, 1, 1, 0]


def test_missed_occurrence_runs_once_past_due(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    dsn, runs = postgres.create_database("timers_past_due"), tmp_path / "runs"
    host = start(start_host, dsn, runs)
    host.wait_ready()
    eventually(lambda: len(runs_of(runs, "each_second")) >= 1, "a first run")
    host.stop()
    missed = datetime.now(UTC) - timedelta(days=3)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE functions_host.timers SET next_run = %s WHERE function = 'yearly'", (missed,))
    start(start_host, dsn, runs).wait_ready()
    eventually(lambda: runs_of(runs, "yearly"), "the missed run")
    eventually(lambda: _next_run(dsn, "yearly") > datetime.now(UTC), "the next occurrence")
    assert [run["past_due"] for run in runs_of(runs, "yearly")] == [True]


def _next_run(dsn: str, function: str) -> datetime:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT next_run FROM functions_host.timers WHERE function = %s", (function,)
        ).fetchone()
    assert row is not None
    following: datetime = row[0]
    return following


def test_two_hosts_fire_each_occurrence_once(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    dsn, runs = postgres.create_database("timers_two_hosts"), tmp_path / "runs"
    one, two = (start(start_host, dsn, runs, name=name).wait_ready() for name in ("one", "two"))
    lines: Callable[[], list[dict[str, Any]]] = lambda: [  # noqa: E731
        line for host in (one, two) for line in host.log if line.get("function") == "each_second"
    ]
    eventually(lambda: len(lines()) >= 4, "four runs")
    seconds = Counter(line["timestamp"][:19] for line in lines())
    assert max(seconds.values()) == 1


def test_other_host_takes_over_after_a_kill(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    dsn, runs = postgres.create_database("timers_take_over"), tmp_path / "runs"
    one = start(start_host, dsn, runs, name="one").wait_ready()
    two = start(start_host, dsn, runs, name="two").wait_ready()
    eventually(lambda: [line for line in one.log if line.get("function") == "each_second"], "the first host's run")
    one.process.kill()
    eventually(lambda: [line for line in two.log if line.get("function") == "each_second"], "the other host's run")


def test_manual_run_reaches_a_timer(start_host: StartHost, postgres: PostgresServer, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    host = start(start_host, postgres.create_database("timers_manual"), runs).wait_ready()
    assert host.call("POST", "/admin/functions/yearly", headers=host.master, json={}).status_code == 202
    eventually(lambda: runs_of(runs, "yearly"), "the manual run")
