"""kill -9 of parts at random moments under load; afterwards every invariant holds and no 202 is lost."""

import os
import random
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.crash.conftest import TRADERS, Doomed
from tests.crash.load import Load

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash"), pytest.mark.timeout(1800)]
_BEFORE, _AFTER = 8, 4
_LATEST_S = 0.4


def _kill_a_child(doomed: Doomed, chance: random.Random) -> None:
    if not doomed.sandbox.running.pids().get("host"):
        return  # its supervisor is starting it again
    children = doomed.sandbox.host_children()
    if children:
        os.kill(chance.choice(children), signal.SIGKILL)


def _kill(part: str) -> Callable[[Doomed, random.Random], None]:
    def kill(doomed: Doomed, chance: random.Random) -> None:
        if part in {name for name, pid in doomed.sandbox.running.pids().items() if pid}:
            doomed.sandbox.kill(part)

    return kill


def _kill_everything(doomed: Doomed, chance: random.Random) -> None:
    doomed.sandbox.kill_everything()
    doomed.sandbox.launch()


def _kill_the_supervisor(doomed: Doomed, chance: random.Random) -> None:
    doomed.sandbox.kill_supervisor()
    doomed.sandbox.launch()


VICTIMS: Mapping[str, Callable[[Doomed, random.Random], None]] = {
    "host child": _kill_a_child,
    "postgres": _kill("postgres"),
    "exchange": _kill("exchange"),
    "messaging": _kill("messaging"),
    "another host child": _kill_a_child,
    "host": _kill("host"),
    "everything": _kill_everything,
    "valkey": _kill("valkey"),
    "supervisor": _kill_the_supervisor,
}


def test_random_kills_lose_and_double_nothing(doomed: Doomed, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rounds, seed = request.config.getoption("--crash-rounds"), request.config.getoption("--crash-seed")
    chance, names = random.Random(seed), list(VICTIMS)
    journal = tmp_path / "journal.jsonl"
    traders = [doomed.client(f"trader-{number}") for number in range(TRADERS)]

    with Load(doomed.sandbox.base_url, traders, journal) as load:
        for number in range(rounds):
            if number % len(names) == 0:
                chance.shuffle(names)
            victim = names[number % len(names)]
            load.let_in(_BEFORE, f"in round {number} before {victim}")
            threading.Event().wait(chance.uniform(0, _LATEST_S))
            VICTIMS[victim](doomed, chance)
            load.let_in(_AFTER, f"in round {number} after {victim}")
    assert load.faults == [], f"seed {seed}, {load.answers}"
    doomed.settle()
    doomed.assert_sound(journal=journal)
