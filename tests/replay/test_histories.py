"""Histories of earlier runs, replayed through the unmodified SDK against the present orchestrators."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from emulators.durable.history import TaskScheduled
from sandbox.verify.durable import History, Orchestrators, app_orchestrators, faults, judge_replay
from shared.ports.order_sagas import Orchestrator
from tests.replay.stored import FOLDER, read

pytestmark = pytest.mark.xdist_group("replay")

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
MOST_TURNS = 6
_TWO_PASSES = ["reserve_funds", "submit_to_exchange"] * 2
STEPS: Mapping[str, list[str]] = MappingProxyType(
    {
        "order_saga_filled_1": ["reserve_funds", "submit_to_exchange", "confirm"],
        "order_saga_filled_50": ["reserve_funds", "submit_to_exchange", "confirm"],
        "order_saga_unanswered": ["reserve_funds", "submit_to_exchange", "confirm"],
        "order_saga_compensated": ["reserve_funds", "submit_to_exchange", "release_funds", "confirm"],
        "order_saga_locked": [*_TWO_PASSES, "confirm"],
        "order_recovery_settled": ["ask_exchange", "ask_exchange"],
        "order_recovery_in_doubt": ["ask_exchange", "ask_exchange", "ask_exchange", "put_in_doubt"],
    }
)


@pytest.fixture(scope="module")
def orchestrators() -> Orchestrators:
    """The function app's own."""
    found = app_orchestrators()
    assert set(Orchestrator) <= found.keys()
    return found


def test_every_scenario_has_a_history() -> None:
    assert STEPS.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_gives_the_recorded_actions(orchestrators: Orchestrators, name: str) -> None:
    history = read(name)

    assert list(faults(history)) == []
    assert list(judge_replay(history, orchestrators)) == []
    assert first_attempts(history) == STEPS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_beginning_of_a_history_replays(orchestrators: Orchestrators, name: str) -> None:
    """A process that dies after any turn goes on from there."""
    history = read(name)

    for turns in range(1, len(history.turns)):
        begun = replace(history, status="Running", output=None, turns=history.turns[:turns])
        assert list(judge_replay(begun, orchestrators)) == [], f"after {turns} turns"


def test_turns_do_not_grow_with_orders() -> None:
    one, fifty = read("order_saga_filled_1"), read("order_saga_filled_50")

    assert len(one.turns) == len(fifty.turns) <= MOST_TURNS


def test_a_changed_orchestrator_is_noticed(orchestrators: Orchestrators) -> None:
    """The check itself: a saga's history is no recovery's."""
    swapped = {**orchestrators, "order_saga": orchestrators["order_recovery"]}

    assert list(judge_replay(read("order_saga_filled_1"), swapped))


def first_attempts(history: History) -> list[str]:
    """Names of the activities in the order in which they were asked for, without retries."""
    scheduled = [event for event in history.events if isinstance(event, TaskScheduled)]
    return [event.name for event in scheduled if event.policy is None or event.policy.attempt == 1]
