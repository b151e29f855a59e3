"""The pure heart of the engine, without database or SDK: events and replies in, turns out."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.durable.actions import UnreadableReplyError, parse_failure, parse_reply
from emulators.durable.actor import Actor, Advance, Discard, Park, Suspend, Terminate, next_step
from emulators.durable.execution import Execution
from emulators.durable.history import (
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorCompleted,
    OrchestratorStarted,
    Parent,
    Retry,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    event_from_json,
    slim,
    utc_text,
)
from emulators.durable.limits import LimitExceededError, check_hub_name, check_instance_id, check_payload
from emulators.durable.payload import trigger_payload
from emulators.durable.records import Commit, Incoming, record
from emulators.durable.turn import Functions, Turn, conclude, cut, fail, opening, terminate

T0 = datetime(2026, 1, 1, tzinfo=UTC)
FUNCTIONS = Functions.of({"Main", "child"}, {"work", "other"})
START = ExecutionStarted(T0, "Main", None, '"1"', "i", "e0")


def activity(name: str = "work", argument: str = "1") -> dict[str, Any]:
    return {"actionType": 0, "functionName": name, "input": argument}


def retried(name: str = "work", attempts: int = 3) -> dict[str, Any]:
    options = {"firstRetryIntervalInMilliseconds": 100, "maxNumberOfAttempts": attempts}
    return {"actionType": 12, "compoundActions": [activity(name) | {"actionType": 1, "retryOptions": options}]}


def timer(*, canceled: bool = False, after_s: int = 60) -> dict[str, Any]:
    return {"actionType": 5, "fireAt": utc_text(T0 + timedelta(seconds=after_s)), "isCanceled": canceled}


def waiting(name: str = "go") -> dict[str, Any]:
    return {"actionType": 6, "externalEventName": name, "reason": "ExternalEvent"}


def child(instance_id: str | None = None) -> dict[str, Any]:
    return {"actionType": 2, "functionName": "child", "input": "2", "instanceId": instance_id, "version": None}


def state(*actions: dict[str, Any], done: bool = False, **more: Any) -> str:
    return json.dumps({"isDone": done, "schemaVersion": 2, "actions": [list(actions)], **more})


def play(execution: Execution, events: Sequence[Event], reply: str) -> Turn:
    """One committed turn."""
    turn = conclude(execution, opening(execution, events, T0), parse_reply(reply), FUNCTIONS)
    execution.record(turn.events)
    return turn


def played(*actions: dict[str, Any], start: ExecutionStarted = START) -> Execution:
    """An execution after a first turn with these actions."""
    execution = Execution(start)
    play(execution, (), state(*actions))
    return execution


def scheduled(turn: Turn) -> list[tuple[str, int]]:
    kinds = (TaskScheduled, TimerCreated, SubOrchestrationCreated)
    return [(type(event).__name__, event.seq) for event in turn.events if isinstance(event, kinds)]


def test_ids_follow_the_leaves_of_compound_actions() -> None:
    group = {
        "actionType": 11,
        "compoundActions": [activity(), waiting(), {"actionType": 12, "compoundActions": [timer(), child()]}],
    }
    turn = play(Execution(START), (), state(activity("OTHER"), group, waiting(), retried()))
    kinds = ["TaskScheduled", "TaskScheduled", "TimerCreated", "SubOrchestrationCreated", "TaskScheduled"]
    assert scheduled(turn) == [(kind, seq) for seq, kind in enumerate(kinds)]
    assert [event.name for event in turn.activities] == ["other", "work", "work"]
    assert turn.children[0].instance_id == "e0:3"


def test_history_of_a_turn_has_the_protocols_order() -> None:
    raised = EventRaised(T0, "go", "1")
    execution = Execution(START)
    turn = conclude(execution, opening(execution, (raised,), T0), parse_reply(state(activity())), FUNCTIONS)
    assert [type(event) for event in turn.events] == [
        OrchestratorStarted, ExecutionStarted, EventRaised, TaskScheduled, OrchestratorCompleted,
    ]  # fmt: skip


def test_failed_attempt_takes_the_next_id_for_its_pause() -> None:
    execution = played(retried(), activity())
    turn = play(execution, (TaskFailed(T0, 0, "no"),), state(retried(), activity()))
    assert scheduled(turn) == [("TimerCreated", 2)]
    assert turn.timers[0].fire_at == utc_text(T0 + timedelta(milliseconds=100))
    turn = play(execution, (TimerFired(T0, 2, utc_text(T0)),), state(retried(), activity()))
    assert scheduled(turn) == [("TaskScheduled", 3)]
    assert turn.activities[0].policy == Retry(0, 2, 3, 100)


def test_new_tasks_take_ids_before_the_retry_that_ends_the_turn() -> None:
    execution = played(retried(), activity())
    events = (TaskCompleted(T0, 1, "2"), TaskFailed(T0, 0, "no"))
    assert cut(execution, events) == 2
    turn = play(execution, events, state(retried(), activity(), activity()))
    assert scheduled(turn) == [("TaskScheduled", 2), ("TimerCreated", 3)]


def test_last_pause_of_a_retry_schedules_nothing() -> None:
    execution = played(retried(attempts=1))
    play(execution, (TaskFailed(T0, 0, "no"),), state(retried(attempts=1)))
    last = TimerFired(T0, 1, utc_text(T0))
    assert cut(execution, (last, EventRaised(T0, "go", None))) == 2
    assert scheduled(play(execution, (last,), state(retried(attempts=1), activity()))) == [("TaskScheduled", 2)]


def test_turns_are_cut_only_behind_a_retry() -> None:
    execution = played(activity(), retried(), activity(), timer())
    plain = [TaskFailed(T0, 0, "no"), TaskCompleted(T0, 2, "1"), TimerFired(T0, 3, utc_text(T0))]
    assert cut(execution, plain) == 3
    assert cut(execution, [plain[0], TaskFailed(T0, 1, "no"), *plain[1:]]) == 2
    assert cut(execution, []) == 0


def test_restored_execution_equals_the_recorded_one() -> None:
    execution = Execution(START)
    chunks: list[list[Event]] = []
    for events, actions in (
        ((), (retried(), timer())),
        ((TaskFailed(T0, 0, "no"),), (retried(), timer(canceled=True))),
        ((TimerFired(T0, 2, utc_text(T0)),), (retried(), timer(canceled=True), child())),
    ):
        chunks.append(list(play(execution, events, state(*actions)).events))
    stored = [[event_from_json(json.loads(json.dumps(e.to_json()))) for e in chunk] for chunk in chunks]
    restored = Execution.restore(stored)
    assert restored == execution
    assert (restored.open, restored.leaves, restored.next_seq) == ({3, 4}, [0, 1, 3], 5)


@pytest.mark.parametrize(
    ("recorded", "replayed", "sentence"),
    [
        (activity(), activity("other"), "has activity 'work' as task 0, but the replay asked for activity 'other'"),
        (activity(), timer(), "but the replay asked for a timer"),
        (timer(), child(), "has a timer as task 0, but the replay asked for sub-orchestration 'child'"),
        (child(), None, "but the replay asked for nothing"),
    ],
)
def test_divergence_fails_naming_both_sides(
    recorded: dict[str, Any], replayed: dict[str, Any] | None, sentence: str
) -> None:
    execution = played(recorded)
    turn = play(execution, (EventRaised(T0, "go", None),), state(*([replayed] if replayed else [])))
    assert turn.status == "Failed"
    assert sentence in json.loads(turn.output or "")


def test_names_may_differ_in_case_between_replays() -> None:
    assert play(played(activity("work")), (), state(activity("WORK"))).status == "Running"


def test_completion_is_withheld_while_tasks_are_open() -> None:
    execution = played(activity(), timer())
    turn = play(execution, (TaskCompleted(T0, 0, "1"),), state(activity(), timer(), done=True, output=1))
    assert turn.status == "Running"
    turn = play(execution, (TimerFired(T0, 1, utc_text(T0)),), state(activity(), timer(), done=True, output=1))
    assert (turn.status, turn.output) == ("Completed", "1")


def test_cancelled_timer_is_recorded_and_withholds_nothing() -> None:
    execution = played(activity(), timer())
    turn = play(execution, (TaskCompleted(T0, 0, "1"),), state(activity(), timer(canceled=True), done=True))
    assert (turn.status, turn.canceled_timers) == ("Completed", [1])
    assert not execution.accepts(TimerFired(T0, 1, utc_text(T0)))
    turn = play(Execution(START), (), state(timer(canceled=True), done=True))
    assert (turn.status, turn.timers) == ("Completed", [])


def test_actions_of_a_failed_turn_are_scheduled_first() -> None:
    execution = Execution(START)
    message = "Exception: boom\n\n$OutOfProcData$:" + state(activity(), error="boom") + "\nStack: ..."
    turn = conclude(execution, opening(execution, (), T0), parse_failure(message), FUNCTIONS)
    assert (turn.status, [event.seq for event in turn.activities]) == ("Running", [0])
    execution.record(turn.events)
    turn = conclude(execution, opening(execution, (TaskCompleted(T0, 0, "1"),), T0), parse_failure(message), FUNCTIONS)
    assert (turn.status, json.loads(turn.output or "")) == ("Failed", "Orchestrator function 'Main' failed: boom")


def test_failure_without_state_keeps_the_workers_words() -> None:
    assert parse_failure("ImportError: no module").error == "ImportError: no module"
    assert parse_failure("X: y\n\n$OutOfProcData$:{broken").error == "X: y"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"isDone":true,"actions":[[{"actionType":99}]]}', "not json"])
def test_what_the_sdk_would_not_write_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableReplyError):
        parse_reply(text)


def test_parents_receive_how_their_children_end() -> None:
    start = ExecutionStarted(T0, "child", None, None, "c", "e1", Parent("i", "e0", "Main", 4))
    assert play(Execution(start), (), state(done=True, output=[1])).parent_event == SubOrchestrationCompleted(
        T0, 4, "[1]"
    )
    execution = Execution(start)
    assert fail(execution, opening(execution, (), T0), "bad").parent_event == SubOrchestrationFailed(T0, 4, "bad")
    ended = terminate(Execution(start), ExecutionTerminated(T0, "stop"), T0)
    assert ended.parent_event == SubOrchestrationFailed(T0, 4, "stop")


def test_continue_as_new_keeps_nothing_but_the_input() -> None:
    turn = play(Execution(START), (), state({"actionType": 4, "input": '{"n": 2}'}, done=True))
    assert (turn.status, turn.restart_input) == ("ContinuedAsNew", json.dumps('{"n": 2}'))


@pytest.mark.parametrize("target", ["counter", "@@k", "x@counter@k", "@unknown@k"])
def test_operation_without_an_entity_fails_the_instance(target: str) -> None:
    ask = {"actionType": 9, "instanceId": target, "operation": "add", "input": "1"}
    turn = play(Execution(START), (), state(ask))
    assert turn.status == "Failed"
    assert "entity" in (turn.output or "")


def test_clock_never_runs_behind_a_timer_or_an_earlier_turn() -> None:
    execution = played(timer())
    late = T0 + timedelta(seconds=60)
    begun = opening(execution, (TimerFired(T0, 0, utc_text(late)),), T0)
    assert begun[0].timestamp == late
    execution.record(begun)
    assert opening(execution, (), T0)[0].timestamp == late


def test_open_timers_of_a_failed_execution_are_deleted() -> None:
    execution = played(timer(), activity())
    turn = fail(execution, opening(execution, (), T0), "bad")
    commit = Commit(0, 1)
    record(commit, execution, turn, 8)
    assert [row["seq"] for row in commit.rows["finished_timers"]] == [0]


def test_trigger_payload_is_slim_and_complete() -> None:
    execution = played(activity(), timer())
    data = json.loads(trigger_payload(execution, opening(execution, (TaskCompleted(T0, 0, "2"),), T0)))
    assert [event["EventType"] for event in data["history"]] == [12, 0, 12, 5]
    assert data["history"][2]["Timestamp"] == "20260101T000000.000000Z"
    assert (data["input"], data["instanceId"], data["isReplaying"]) == ("1", "i", True)
    assert "maximumShortTimerDuration" not in data


ANY_TEXT = st.none() | st.text()
SEQ = st.integers(0, 2**31 - 1)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(TaskScheduled, st.just(T0), SEQ, st.text(), ANY_TEXT, ANY_TEXT),
    st.builds(TaskScheduled, st.just(T0), SEQ, st.text(), ANY_TEXT, ANY_TEXT, policy=st.just(Retry(1, 2, 3, 4))),
    st.builds(SubOrchestrationCreated, st.just(T0), SEQ, st.text(), ANY_TEXT, st.text(), ANY_TEXT),
    st.builds(TimerCreated, st.just(T0), SEQ, st.text(), st.booleans()),
    st.builds(EventSent, st.just(T0), SEQ, st.text(), st.text(), ANY_TEXT),
    st.builds(EventRaised, st.just(T0), st.text(), ANY_TEXT),
    st.builds(TaskFailed, st.just(T0), SEQ, st.text(), st.text()),
    st.builds(TimerCanceled, st.just(T0), SEQ),
    st.builds(ExecutionCompleted, st.just(T0), st.text(), ANY_TEXT),
    st.builds(ExecutionStarted, st.just(T0), st.text(), ANY_TEXT, ANY_TEXT, st.text(), st.text()),
    st.builds(ExecutionSuspended, st.just(T0), st.text()),
)


@given(EVENTS)
def test_every_event_survives_its_json(event: Event) -> None:
    assert event_from_json(json.loads(json.dumps(event.to_json()))) == event
    assert len(slim([event])) == (1 if event.SLIM else 0)


def _actor(*events: Event, suspended: bool = False, message: Any = "m") -> Actor:
    return Actor("i", 0, [Incoming(event, None, message) for event in events], suspended=suspended)


def test_termination_goes_before_everything_else() -> None:
    step = next_step(
        _actor(EventRaised(T0, "a", None), ExecutionTerminated(T0, "x"), suspended=True), played(activity())
    )
    assert isinstance(step, Terminate)
    assert len(step.handled) == 2


def test_a_turn_takes_what_came_before_the_suspension() -> None:
    before, after = EventRaised(T0, "a", None), EventRaised(T0, "b", None)
    actor = _actor(before, ExecutionSuspended(T0, ""), after)
    step = next_step(actor, played(activity()))
    assert isinstance(step, Advance)
    assert step.events == [before]
    actor.drop(step.handled)
    assert isinstance(next_step(actor, played(activity())), Suspend)


def test_suspended_instances_wait_but_keep_outcomes() -> None:
    execution = played(activity())
    assert next_step(_actor(EventRaised(T0, "a", None), suspended=True), execution) is None
    assert isinstance(next_step(_actor(TaskCompleted(T0, 0, "1"), suspended=True, message=None), execution), Park)
    resumed = next_step(_actor(EventRaised(T0, "a", None), ExecutionResumed(T0, ""), suspended=True), execution)
    assert isinstance(resumed, Advance)
    assert isinstance(resumed.events[0], ExecutionResumed)


def test_late_and_duplicate_completions_have_no_effect() -> None:
    execution = played(activity())
    assert isinstance(next_step(_actor(TaskCompleted(T0, 7, "1")), execution), Discard)
    step = next_step(_actor(TaskCompleted(T0, 0, "1"), TaskCompleted(T0, 0, "2")), execution)
    assert isinstance(step, Advance)
    assert [event.result for event in step.events if isinstance(event, TaskCompleted)] == ["1"]
    assert len(step.handled) == 2


def test_messages_for_an_execution_that_is_over_are_discarded() -> None:
    actor = Actor("i", 0, [Incoming(TaskCompleted(T0, 0, "1"), "another execution")])
    assert isinstance(next_step(actor, played(activity())), Discard)


@pytest.mark.parametrize("bad", ["", "a/b", "a\\b", "a#b", "a?b", "@a", "é", "\x1f", "x" * 101])
def test_forbidden_instance_ids_are_refused(bad: str) -> None:
    with pytest.raises(LimitExceededError):
        check_instance_id(bad)


@pytest.mark.parametrize("bad", ["", "ab", "1abc", "a-b", "x" * 46])
def test_forbidden_hub_names_are_refused(bad: str) -> None:
    with pytest.raises(LimitExceededError):
        check_hub_name(bad)


def test_payload_limit_counts_bytes_not_characters() -> None:
    check_payload("It", "x" * (1 << 20))
    with pytest.raises(LimitExceededError, match="It is 1048578 bytes"):
        check_payload("It", "é" * ((1 << 19) + 1))
