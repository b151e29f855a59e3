"""Invariants 14 and 16 on the stored orchestration histories.

14: the orchestrator, run again over a stored history, asks for the recorded tasks with the recorded inputs, and
a saga's turns do not grow with its orders. 16: a turn that was written under a lost lease would show as a hole or
a repetition in a history: turns follow each other, an activity completes once, nothing comes after the end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import psycopg
from psycopg.rows import dict_row

from emulators.durable.actions import CallActivity, CallSubOrchestrator, Reply, parse_failure, parse_reply
from emulators.durable.determinism import find_divergence
from emulators.durable.execution import Execution, completed_id
from emulators.durable.history import (
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    OrchestratorStarted,
    Scheduled,
    event_from_json,
)
from emulators.durable.payload import trigger_payload
from sandbox.verify.model import Check, Inspection, Row, Violation
from sandbox.verify.queries import load

_SQL = load("durable.sql")
_REPLAY = "an orchestration's replay asks for what its history says"
_WHOLE = "a history has every turn once and every completion once"
_TURNS = "a saga takes a fixed number of turns at most"
# reserve, submit, answered, confirm, each with a start and a completion, and the turns of one compensation. Orders of
# users who were locked have a reserve and a submit of their own.
_MOST_TURNS = {"order_saga": 8}
_TERMINAL = frozenset({"Completed", "Failed", "Terminated"})
type Orchestrators = Mapping[str, Callable[[Any], str]]


@dataclass(frozen=True, slots=True)
class History:
    """One stored execution."""

    instance_id: str | None
    name: str | None
    status: str | None
    output: str | None
    execution_id: str
    chunks: Sequence[int]
    turns: Sequence[list[Event]]

    @property
    def events(self) -> list[Event]:
        return [event for turn in self.turns for event in turn]

    @property
    def facts(self) -> dict[str, Any]:
        return {"instance_id": self.instance_id, "name": self.name, "status": self.status}


def checks() -> list[Check]:
    """Two passes over the histories, so that each invariant has its own verdict."""
    return [Check(14, _REPLAY, _replays), Check(16, _WHOLE, _wholes)]


def _replays(inspection: Inspection) -> Iterator[Violation]:
    if inspection.sources.durable is None:
        return
    orchestrators = app_orchestrators()
    for history in _histories(inspection):
        for check, detail in judge_replay(history, orchestrators):
            yield Violation(14, check, (history.facts | detail,))


def _wholes(inspection: Inspection) -> Iterator[Violation]:
    if inspection.sources.durable is None:
        return
    for history in _histories(inspection):
        for fault in faults(history):
            yield Violation(16, _WHOLE, (history.facts | {"fault": fault},))
    with psycopg.connect(inspection.sources.durable, row_factory=dict_row) as connection:
        for statement, name in (
            ("owners", "an owned partition has been taken"),
            ("strays", "due work is of a live run"),
        ):
            if rows := connection.execute(_SQL[statement]).fetchmany(5):
                yield Violation(16, name, tuple(rows))


def _histories(inspection: Inspection) -> Iterator[History]:
    assert inspection.sources.durable is not None
    with psycopg.connect(inspection.sources.durable, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with connection.cursor(name="histories") as cursor:
            for _, rows in groupby(cursor.execute(_SQL["histories"]), key=lambda row: row["execution_id"]):
                yield _history(list(rows))


def _history(rows: Sequence[Row]) -> History:
    head = {name: rows[0][name] for name in ("instance_id", "name", "status", "output", "execution_id")}
    turns = [[event_from_json(data) for data in row["events"]] for row in rows]
    return History(**head, chunks=[row["chunk"] for row in rows], turns=turns)


# --- invariant 16 -------------------------------------------------------------------------------------


def faults(history: History) -> Iterator[str]:
    """What a history could only have if two owners had written it."""
    events = history.events
    if list(history.chunks) != list(range(len(history.chunks))):
        yield f"its turns are numbered {list(history.chunks)[:20]}"
    if sum(isinstance(event, ExecutionStarted) for event in events) != 1:
        yield "it does not start exactly once"
    scheduled = Counter(event.seq for event in events if isinstance(event, Scheduled))
    completed = Counter(task_id for event in events if (task_id := completed_id(event)) is not None)
    if twice := [seq for seq, times in (scheduled + completed).items() if max(scheduled[seq], completed[seq]) > 1]:
        yield f"tasks {twice[:5]} were scheduled or completed twice"
    if unknown := completed.keys() - scheduled.keys():
        yield f"tasks {sorted(unknown)[:5]} were completed but never scheduled"
    yield from _end_faults(history, events)


def _end_faults(history: History, events: Sequence[Event]) -> Iterator[str]:
    if history.instance_id is None:
        yield "its instance does not exist"
        return
    ends = [event for event in events if isinstance(event, ExecutionCompleted | ExecutionTerminated)]
    if len(ends) != (1 if history.status in _TERMINAL else 0):
        yield f"it has {len(ends)} ends in status {history.status}"


# --- invariant 14 -------------------------------------------------------------------------------------


def app_orchestrators() -> Orchestrators:
    """The function app's orchestrators by name in lower case."""
    found: dict[str, Callable[[Any], str]] = {}
    app = import_module("function_app").app
    app.functions_bindings = None  # cleared, because it lists its functions only once
    for function in app.get_functions():
        if any(binding.type == "orchestrationTrigger" for binding in function.get_bindings()):
            found[function.get_function_name().lower()] = function.get_user_function()
    return found


def judge_replay(history: History, orchestrators: Orchestrators) -> Iterator[tuple[str, dict[str, Any]]]:
    """What one history and its replay disagree about."""
    turns, most = len(history.turns), _MOST_TURNS.get(history.name or "")
    if most is not None and turns > most + _retries(history):
        yield _TURNS, {"turns": turns, "most": most}
    orchestrator = orchestrators.get((history.name or "").lower())
    if orchestrator is None:
        yield _REPLAY, {"difference": "the app has no orchestrator of this name"}
        return
    execution = Execution.restore(iter(history.turns))
    reply = replay(execution, orchestrator)
    if (divergence := find_divergence(execution, reply.tasks)) is not None:
        yield _REPLAY, {"divergence": divergence}
    elif (difference := _first_difference(execution, reply)) is not None:
        yield _REPLAY, {"difference": difference}
    elif history.status == "Completed" and (not reply.is_done or reply.output != history.output):
        yield _REPLAY, {"output": history.output, "replayed": reply.output}


def _retries(history: History) -> int:
    """Turns that retries of activities cost: a completion and a timer each."""
    retried = [event for event in history.events if isinstance(event, Scheduled) and event.policy is not None]
    return 2 * sum(event.policy.attempt > 1 for event in retried if event.policy is not None)


def replay(execution: Execution, orchestrator: Callable[[Any], str]) -> Reply:
    """Run the orchestrator over the whole history."""
    begun = [OrchestratorStarted(execution.clock)]
    try:
        return parse_reply(orchestrator(SimpleNamespace(body=trigger_payload(execution, begun))))
    except Exception as error:  # noqa: BLE001 - user code may raise anything, and the SDK hides the reply in its text
        return parse_failure(str(error))


def _first_difference(execution: Execution, reply: Reply) -> str | None:
    """Inputs are compared too: a replay that asks the same activity for something else is another run."""
    if len(reply.tasks) != len(execution.leaves):
        return f"{len(execution.leaves)} tasks are recorded, the replay asks for {len(reply.tasks)}"
    for seq, task in zip(execution.leaves, reply.tasks, strict=True):
        recorded = execution.scheduled[seq]
        if isinstance(task, CallActivity | CallSubOrchestrator) and getattr(recorded, "input", None) != task.input:
            return f"task {seq}: input {getattr(recorded, 'input', None)} is recorded, the replay gives {task.input}"
    return None
