"""The invariants that are read beside the broker: venue, journal of 202s, orchestration histories, queues."""

import asyncio
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import psycopg
import pytest
from azure.durable_functions.orchestrator import Orchestrator

from emulators.durable.history import (
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
    dump_events,
)
from emulators.durable.store import migrate as migrate_durable
from emulators.messaging.migrate import migrate as migrate_messaging
from sandbox.verify import Sources, Terms, durable, verify
from sandbox.verify.durable import History, faults, judge_replay
from tests.verify.conftest import Prepared
from tests.verify.world import ALICE, RATE_CARDS, World

_AT_REST = Terms(RATE_CARDS, at_rest=True, settle_s=0)


@dataclass(frozen=True)
class Pair:
    """A broker and a venue, each a fresh copy."""

    broker: str
    venue: str

    def named(self) -> set[str]:
        """Checks of invariant 12 that found something."""
        verdict = verify(Sources(self.broker, exchange=self.venue), _AT_REST)
        return {violation.check for violation in verdict.violations if violation.invariant == 12}


@pytest.fixture
def pair(copy: Callable[[str], str]) -> Pair:
    return Pair(copy("rest"), copy("venue"))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM report WHERE report_id = (SELECT min(report_id) FROM report WHERE exec_type = 'TRADE')",
        "UPDATE report SET body = jsonb_set(body::jsonb, '{last_price}', '\"1.00\"')::json WHERE exec_type = 'TRADE'",
        "INSERT INTO report SELECT report_id + 1000, order_id, request_id, trade_date, exec_type, report_sequence, "
        "jsonb_set(body::jsonb, '{exec_id}', '\"E-extra\"')::json FROM report WHERE exec_type = 'TRADE' LIMIT 1",
    ],
)
def test_execution_that_one_side_lacks_is_named(pair: Pair, statement: str) -> None:
    with psycopg.connect(pair.venue) as connection:
        connection.execute(statement)
    assert "the venue's executions and our trades are equal by ExecID" in pair.named()


def test_live_order_that_ended_here_is_named(pair: Pair, rest_world: World) -> None:
    with psycopg.connect(pair.venue) as connection:
        connection.execute(
            "DELETE FROM report WHERE order_id = %s AND exec_type = 'CANCELED'", (rest_world.id("canceled"),)
        )
    assert pair.named() == {
        "an order that is live at the venue is ours, working and held, and each of ours is live there"
    }


def test_working_order_that_the_venue_lost_is_named(pair: Pair, rest_world: World) -> None:
    with psycopg.connect(pair.venue) as connection:
        connection.execute("DELETE FROM report WHERE order_id = %s", (rest_world.id("working"),))
    assert pair.named() == {
        "an order that is live at the venue is ours, working and held, and each of ours is live there"
    }


def test_report_that_never_came_is_named(pair: Pair, rest_world: World) -> None:
    with psycopg.connect(pair.venue) as connection:
        connection.execute(
            "INSERT INTO report SELECT report_id + 1000, order_id, request_id, trade_date, 'REPLACED', 2, "
            "jsonb_set(body::jsonb, '{report_sequence}', '2')::json FROM report WHERE order_id = %s",
            (rest_world.id("working"),),
        )
    assert pair.named() == {
        "an order that is live at the venue is ours, working and held, and each of ours is live there"
    }


def test_working_order_that_is_not_fully_held_is_named(pair: Pair, rest_world: World) -> None:
    with psycopg.connect(pair.broker) as connection:
        connection.execute("UPDATE holds SET released = released + 1 WHERE source_id = %s", (rest_world.id("working"),))
    assert pair.named() == {
        "an order that is live at the venue is ours, working and held, and each of ours is live there"
    }


def test_running_system_is_only_accused_of_what_stays(pair: Pair) -> None:
    removed: list[tuple[Any, ...]] = []

    def arrive(_: float) -> None:
        with psycopg.connect(pair.venue) as connection:
            for row in removed:
                connection.execute("INSERT INTO report VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
            removed.clear()

    with psycopg.connect(pair.venue) as connection:
        rows = connection.execute("DELETE FROM report WHERE exec_type = 'TRADE' RETURNING *").fetchall()
    removed.extend((*row[:-1], json.dumps(row[-1])) for row in rows)
    verdict = verify(Sources(pair.broker, exchange=pair.venue), Terms(RATE_CARDS, settle_s=30), pause=arrive)
    assert verdict.violations == []


# --- the journal of 202s --------------------------------------------------------------------------------


def _journal(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines))
    return path


def test_accepted_orders_on_record_pass(prepared: Prepared, tmp_path: Path) -> None:
    order_id = str(prepared.rest.id("filled"))
    entry = json.dumps({"order_id": order_id, "user_id": str(ALICE), "status": 202}) + "\n"
    refused = json.dumps({"order_id": str(uuid4()), "status": 422}) + "\n"
    journal = _journal(tmp_path / "journal", entry, refused, '{"order_id": "cut sh')
    verdict = verify(Sources(prepared.at_rest, journal=journal), _AT_REST)
    assert verdict.violations == []
    assert 7 not in verdict.skipped


@pytest.mark.parametrize("field", ["order_id", "user_id", "client_order_id", "idempotency_key"])
def test_lost_or_foreign_acceptance_is_named(prepared: Prepared, tmp_path: Path, field: str) -> None:
    entry = {"order_id": str(prepared.rest.id("filled"))} | {field: str(uuid4())}
    journal = _journal(tmp_path / "journal", json.dumps(entry) + "\n")
    verdict = verify(Sources(prepared.at_rest, journal=journal), _AT_REST)
    assert [violation.invariant for violation in verdict.violations] == [7]


# --- orchestration histories ----------------------------------------------------------------------------


def _two_steps(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    held = yield context.call_activity("reserve_funds", {"saga_id": "1"})
    return (yield context.call_activity("confirm", held))


_ORCHESTRATORS = {"order_saga": Orchestrator.create(_two_steps)}
_NOW = datetime(2026, 11, 20, 5, tzinfo=UTC)


def _history() -> History:
    def at(second: int) -> datetime:
        return _NOW + timedelta(seconds=second)

    start = ExecutionStarted(at(0), "order_saga", None, None, "s1", "e1")
    turns: list[list[Event]] = [
        [OrchestratorStarted(at(0)), start, TaskScheduled(at(0), 0, "reserve_funds", None, '{"saga_id": "1"}')],
        [OrchestratorStarted(at(1)), TaskCompleted(at(1), 0, "7"), TaskScheduled(at(1), 1, "confirm", None, "7")],
        [OrchestratorStarted(at(2)), TaskCompleted(at(2), 1, '"done"'), _end(at(2))],
    ]
    for turn in turns:
        turn.append(OrchestratorCompleted(turn[0].timestamp))
    return History("s1", "order_saga", "Completed", '"done"', "e1", [0, 1, 2], turns)


def _end(moment: datetime) -> ExecutionCompleted:
    return ExecutionCompleted(moment, "Completed", '"done"')


def _judged(history: History) -> str:
    return " ".join(f"{check} {detail}" for check, detail in judge_replay(history, _ORCHESTRATORS))


def test_history_that_replays_is_sound() -> None:
    assert _judged(_history()) == ""
    assert list(faults(_history())) == []


def _with(turn: int, position: int, event: Event | None) -> History:
    history = _history()
    turns = [list(each) for each in history.turns]
    if event is None:
        del turns[turn][position]
    else:
        turns[turn][position] = event
    return replace(history, turns=turns)


def test_replay_that_asks_for_something_else_is_named() -> None:
    assert "Non-Deterministic" in _judged(_with(1, 2, TaskScheduled(_NOW, 1, "release_funds", None, "7")))
    assert "input" in _judged(_with(1, 2, TaskScheduled(_NOW, 1, "confirm", None, "8")))
    assert "output" in _judged(replace(_history(), output='"other"'))


def test_orchestrator_that_the_app_lost_is_named() -> None:
    assert "no orchestrator" in " ".join(str(each) for each in judge_replay(_history(), {}))


def test_apps_own_orchestrators_are_found() -> None:
    assert {"order_saga", "order_recovery"} <= durable.app_orchestrators().keys()


def test_saga_that_takes_too_many_turns_is_named() -> None:
    history = _history()
    idle: list[Event] = [OrchestratorStarted(_NOW), OrchestratorCompleted(_NOW)]
    turns = [*history.turns[:2], *[idle] * 7, history.turns[2]]
    assert "turns" in _judged(replace(history, turns=turns, chunks=list(range(10))))


def _faulty() -> Iterator[tuple[str, History]]:
    history = _history()
    yield "numbered", replace(history, chunks=[0, 1, 3])
    yield "twice", replace(history, turns=[*history.turns, history.turns[1]], chunks=[0, 1, 2, 3])
    yield "never scheduled", _with(0, 2, None)
    yield "start exactly once", _with(0, 1, None)
    yield "0 ends", _with(2, 2, None)
    yield "1 ends", replace(history, status="Running")
    yield "instance does not exist", replace(history, instance_id=None)


@pytest.mark.parametrize(("words", "history"), list(_faulty()), ids=lambda each: each if isinstance(each, str) else "")
def test_history_of_two_owners_is_named(words: str, history: History) -> None:
    assert words in " ".join(faults(history))


def test_stored_histories_are_read_from_the_task_hub(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "app_orchestrators", lambda: _ORCHESTRATORS)
    dsn = prepared.server.create_database(f"durable_{uuid4().hex}")
    asyncio.run(migrate_durable(dsn))
    _store(dsn, _history())
    broker = prepared.at_rest
    assert verify(Sources(broker, durable=dsn), _AT_REST).violations == []
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE durable.history SET chunk = 5 WHERE chunk = 2")
    assert {v.invariant for v in verify(Sources(broker, durable=dsn), _AT_REST).violations} == {16}


def _store(dsn: str, history: History) -> None:
    execution = uuid4()
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO durable.hubs (hub, partitions) VALUES ('broker', 4)")
        connection.execute(
            "INSERT INTO durable.instances (hub, instance_id, partition, execution_id, incarnation, name, status, "
            "output, created_at, updated_at) "
            "VALUES ('broker', 's1', 0, %s, %s, 'order_saga', 'Completed', %s, now(), now())",
            (execution, execution, history.output),
        )
        for chunk, turn in enumerate(history.turns):
            connection.execute(
                "INSERT INTO durable.history (execution_id, chunk, events) VALUES (%s, %s, %s)",
                (execution, chunk, dump_events(turn).decode()),
            )


# --- queues ---------------------------------------------------------------------------------------------


def test_message_left_in_a_queue_is_named(prepared: Prepared) -> None:
    dsn = prepared.server.create_database(f"messaging_{uuid4().hex}")
    migrate_messaging(dsn)
    sources = Sources(prepared.at_rest, messaging=dsn)
    assert verify(sources, _AT_REST).violations == []
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO queue (name) VALUES ('execution-reports')")
        connection.execute(
            "INSERT INTO message (queue_id, sequence, durable, priority, annotations, annotation_items, bare, "
            "dead_lettered, status, enqueued_at, delivery_count) "
            "VALUES (1, 1, true, 4, '', 0, '', false, 0, now() - interval '1 minute', 0)"
        )
    assert [violation.check for violation in verify(sources, _AT_REST).violations] == ["queues are drained"]
