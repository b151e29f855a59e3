"""One sandbox for all crash tests: market makers on, every process able to die at a named step."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.harness import Sandbox, SandboxOptions
from sandbox.ports import free_port
from tests.e2e.world import Broker, eventually, write_demo

TRADERS = 60
_HOOKS = Path(__file__).with_name("hooks")
_UNSETTLED = """
SELECT (SELECT count(*) FROM orders WHERE state IN ('ACCEPTED', 'HELD', 'SUBMITTED') OR pending_request IS NOT NULL)
     + (SELECT count(*) FROM dispatch_queue) + (SELECT count(*) FROM sagas WHERE finished_at IS NULL)
     + (SELECT count(*) FROM exchange_outbox)
     + (SELECT count(*) FROM effects_outbox)
"""


class Doomed(Broker):
    """A sandbox that is killed again and again."""

    @property
    def points(self) -> Path:
        """Where a file arms a point of `hooks/sitecustomize.py`."""
        return self.sandbox.data.with_name("points")

    def arm(self, point: str, victim: str = "self") -> Path:
        """Have the next process that passes the point kill the victim; returns the file that exists once it did."""
        fired = self.points / f"{point}.fired"
        fired.unlink(missing_ok=True)
        staged = self.points / f"{point}.staged"
        staged.write_text(victim)
        staged.rename(self.points / point)
        return fired

    def pid(self, part: str) -> str:
        """Process id of a part, once it runs again."""
        return str(eventually(lambda: self.sandbox.running.pids().get(part), f"process {part}"))

    def settle(self, within_s: float = 90) -> None:
        """Wait until nothing is on its way in the broker's own tables."""
        eventually(self._is_settled, "rest", within_s)

    def state_of(self, order_id: str) -> str | None:
        """The order's state by the database, None while that is unavailable."""
        state: str | None = self.ask("SELECT state FROM orders WHERE order_id = %s", order_id)
        return state

    def _is_settled(self) -> bool:
        return bool(self.ask(_UNSETTLED) == 0)


@pytest.fixture(scope="session")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doomed]:
    """The sandbox; its address stays the same over restarts."""
    folder = tmp_path_factory.mktemp("crash")
    (folder / "points").mkdir()
    options = SandboxOptions(
        port=free_port(),
        demo=write_demo(folder / "demo.json", TRADERS),
        # An order may wait out a restart of everything.
        settings={"EXCHANGE_EXPIRE_AFTER_S": "20", "EXCHANGE_ANSWER_DEADLINE_S": "21"},
        environment={"PYTHONPATH": str(_HOOKS), "CRASH_POINTS": str(folder / "points")},
    )
    with Sandbox.start(folder / "data", options) as sandbox:
        yield Doomed.of(sandbox)
