"""Order of starting and stopping, restarting with back-off, and failures in one sentence."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.child import ending_with_us
from sandbox.errors import SandboxError
from sandbox.parts import Node, Part, Step, with_needs
from sandbox.report import Report
from sandbox.steps import run_to_end
from sandbox.supervisor import Supervisor
from tests.support.waiting import eventually

# Writes its start and its end into a journal, then waits for SIGTERM; ready when its file is there.
_SCRIPT = """
import pathlib, signal, sys
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def note(word):
    with (folder / "journal").open("a") as file:
        file.write(f"{word} {name}\\n")
def end(*_):
    note("end")
    sys.exit()
signal.signal(signal.SIGTERM, end)
note("start")
(folder / name).touch()
signal.pause()
"""


class Bench:
    """A folder of fake parts and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = io.StringIO()
        self.pids: Mapping[str, int | None] = {}
        self.errors: list[Exception] = []
        self._news = asyncio.Event()

    def part(self, name: str, script: str = _SCRIPT, **fields: object) -> Part:
        ready = self.folder / name
        command = [sys.executable, "-c", script, name, str(self.folder)]
        return Part(
            name,
            name.title(),
            lambda: ending_with_us(command),
            ready.exists,
            self.folder / f"{name}.log",
            prepare=lambda: ready.unlink(missing_ok=True),
            environment=os.environ,
            **fields,  # type: ignore[arg-type]
        )

    def supervisor(self, nodes: Sequence[Node]) -> Supervisor:
        return Supervisor(nodes, Report(Console(file=self.output, width=200)), self._changed)

    def _changed(self, pids: Mapping[str, int | None]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.pids = pids
        self._news.set()

    def journal(self) -> list[str]:
        return (self.folder / "journal").read_text().splitlines()

    async def until_restarted(self, name: str, old: int) -> int:
        async with asyncio.timeout(20):
            while self.pids[name] in (None, old):
                self._news.clear()
                await self._news.wait()
        pid = self.pids[name]
        assert pid is not None
        return pid

    async def until_said(self, words: str) -> None:
        await eventually(lambda: words in self.output.getvalue())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_parts_start_after_needs_and_stop_before(bench: Bench) -> None:
    supervisor = bench.supervisor([bench.part("app", needs=("store",)), bench.part("store")])

    await supervisor.start()
    await supervisor.stop()

    assert bench.journal() == ["start store", "start app", "end app", "end store"]


async def test_used_parts_outlive_their_users(bench: Bench) -> None:
    supervisor = bench.supervisor([bench.part("bus"), bench.part("app", uses=("bus",))])

    await supervisor.start()
    await supervisor.stop()

    assert bench.journal()[-2:] == ["end app", "end bus"]


async def test_steps_wait_for_what_they_need(bench: Bench) -> None:
    async def note() -> str:
        (bench.folder / "seen").write_text("\n".join(bench.journal()))
        return "noted"

    supervisor = bench.supervisor([Step("note", "Note", note, ("store",)), bench.part("store")])
    await supervisor.start()
    await supervisor.stop()

    assert (bench.folder / "seen").read_text() == "start store"
    assert "noted" in bench.output.getvalue()


async def test_late_parts_start_when_asked_and_are_kept(bench: Bench) -> None:
    supervisor = bench.supervisor([bench.part("feed", uses=("store",), late=True), bench.part("store")])
    await supervisor.start()
    assert bench.journal() == ["start store"]
    supervisor.start_late_parts()
    await bench.until_said("ok Feed")
    pid = bench.pids["feed"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await bench.until_restarted("feed", pid)
    await supervisor.stop()
    assert bench.journal()[-2:] == ["end feed", "end store"]


async def test_a_killed_part_is_started_again(bench: Bench) -> None:
    supervisor = bench.supervisor([bench.part("store")])
    await supervisor.start()
    first = bench.pids["store"]
    assert first is not None

    os.kill(first, signal.SIGKILL)
    second = await bench.until_restarted("store", first)
    os.kill(second, signal.SIGKILL)
    await bench.until_restarted("store", second)
    await supervisor.stop()

    assert "Store ended (killed by SIGKILL); starting it again" in bench.output.getvalue()
    assert bench.journal() == ["start store"] * 3 + ["end store"]


async def test_keeping_parts_outlives_an_internal_error(bench: Bench) -> None:
    supervisor = bench.supervisor([bench.part("store")])
    await supervisor.start()
    first = bench.pids["store"]
    assert first is not None

    bench.errors = [RuntimeError("a defect"), OSError("no room")]
    os.kill(first, signal.SIGKILL)
    await bench.until_restarted("store", first)
    await supervisor.stop()

    assert "An internal error (keep store), which is tried again: RuntimeError('a defect')" in bench.output.getvalue()


async def test_a_part_waits_for_what_it_needs_to_come_back(bench: Bench) -> None:
    fails_at_first = "import pathlib, sys, time\nif (pathlib.Path(sys.argv[2]) / 'stuck').exists(): sys.exit('stuck')\n"
    store = bench.part("store", fails_at_first + _SCRIPT)
    supervisor = bench.supervisor([store, bench.part("app", needs=("store",))])
    await supervisor.start()
    pids = dict(bench.pids)
    (bench.folder / "stuck").touch()

    for name in ("store", "app"):
        os.kill(pids[name] or 0, signal.SIGKILL)
    await bench.until_said("Store ended while starting")
    (bench.folder / "stuck").unlink()
    await bench.until_restarted("app", pids["app"] or 0)
    await supervisor.stop()

    assert bench.journal()[:4] == ["start store", "start app", "start store", "start app"]


async def test_a_part_runs_without_a_log_when_there_is_no_room(bench: Bench) -> None:
    part = replace(bench.part("store"), log=bench.folder / "missing" / "store.log")
    supervisor = bench.supervisor([part])
    await supervisor.start()
    await supervisor.stop()

    assert "Store runs without a log" in bench.output.getvalue()
    assert bench.journal() == ["start store", "end store"]


async def test_a_part_that_fails_stops_the_start(bench: Bench) -> None:
    failing = bench.part("app", "import sys; sys.exit('the flux is missing')", remedy="Bring some flux.")
    supervisor = bench.supervisor([bench.part("store"), failing])

    with pytest.raises(SandboxError, match=r"App ended while starting \(exit code 1\): the flux .* Bring some flux\.$"):
        await supervisor.start()
    await supervisor.stop()

    assert bench.pids["store"] is None


async def test_a_silent_part_is_given_up(bench: Bench) -> None:
    silent = bench.part("app", "import signal; signal.pause()", ready_within_s=0.3)
    supervisor = bench.supervisor([silent])

    with pytest.raises(SandboxError, match=r"App did not serve within 0.3 s: see .*app\.log"):
        await supervisor.start()


async def test_damaged_files_are_recovered_once(bench: Bench) -> None:
    def recover() -> bool:
        (bench.folder / "damage").unlink()
        return True

    (bench.folder / "damage").touch()
    guard = "import pathlib, sys\nif (pathlib.Path(sys.argv[2]) / 'damage').exists(): sys.exit('damaged')\n"
    supervisor = bench.supervisor([bench.part("cache", guard + _SCRIPT, recover=recover)])

    await supervisor.start()
    await supervisor.stop()

    assert "damaged" in bench.output.getvalue()
    assert bench.journal() == ["start cache", "end cache"]


async def test_a_deaf_part_is_ended_in_time(bench: Bench) -> None:
    deaf = _SCRIPT.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    supervisor = bench.supervisor([bench.part("app", deaf, stop_within_s=0.2)])
    await supervisor.start()

    async with asyncio.timeout(5):
        await supervisor.stop()

    assert bench.pids["app"] is None


async def test_a_failing_command_tells_its_last_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('one'); raise SystemExit('no such table')"]

    with pytest.raises(SandboxError, match=r"failed: no such table \(see .*data\.log\)"):
        await run_to_end(command, os.environ, tmp_path / "data.log")

    assert "one" in (tmp_path / "data.log").read_text()


def test_naming_a_part_names_what_it_needs(bench: Bench) -> None:
    nodes = [bench.part("a"), bench.part("b", needs=("a",)), bench.part("c", uses=("b",)), bench.part("d")]

    assert with_needs(nodes, ["c"]) == {"a", "b", "c"}
