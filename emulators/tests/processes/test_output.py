"""Processes go on when their output cannot be written, and their logs stay short while they write."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emulators.processes.log_files import rotate

_PRINTING = "import sys\nfor _ in range(3):\n    print('x' * 9_000)\n    print('y' * 9_000, file=sys.stderr)\n"
_FULL = Path("/dev/full")


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str, Path], int]:
    def run(source: str, output: Path) -> int:
        (tmp_path / "printing.py").write_text(source)
        with output.open("ab") as file:
            command = [sys.executable, "-m", "emulators.processes.output", "printing"]
            path = {"PYTHONPATH": f"{Path.cwd()}:{tmp_path}"}
            return subprocess.run(command, stdout=file, stderr=file, check=False, env={**os.environ, **path}).returncode

    return run


def test_printing_on_a_full_disk_fails_nothing(run: Callable[[str, Path], int]) -> None:
    assert run(_PRINTING, _FULL) == 0


def test_lost_output_is_counted_once_there_is_room(run: Callable[[str, Path], int], tmp_path: Path) -> None:
    limited = "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, ({}, resource.RLIM_INFINITY))\n"
    text = "print('{}', flush=True)\n"
    source = limited + limit.format(10) + text.format("a" * 100) + limit.format(-1) + text.format("after")
    log = tmp_path / "log"

    assert run(source, log) == 0

    first, note, last = log.read_text().splitlines()
    assert first == "a" * 10
    assert '"91 bytes of output were lost: File too large"' in note
    assert last == "after"


def test_a_log_is_cut_while_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n")
        assert not rotate(log, largest=4)
        writer.write(b"older\n")
        assert rotate(log, largest=4)
        writer.write(b"new\n")

    assert (log.read_text(), (tmp_path / "log.1").read_text()) == ("new\n", "old\nolder\n")
