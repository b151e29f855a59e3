"""Other processes of this machine: found by where they work or by their environment, ended, waited for."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

_POLL_S = 0.01

type Process = Any  # psutil.Process; the library has no types


def working_in(folder: Path, name: str) -> list[Process]:
    """Processes called `name` whose working folder is `folder`."""
    return _select(lambda process: process.name() == name and process.cwd() == str(folder))


def marked_with(variable: str, value: str) -> list[Process]:
    """Processes, other than this one, started with the environment variable set to the value."""
    own = psutil.Process().pid
    return _select(lambda process: process.pid != own and process.environ().get(variable) == value)


def tree(pid: int) -> list[Process]:
    """The process and everything that it started and that still runs; empty when it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def listening_on(port: int) -> str | None:
    """`name (process N)` of whoever listens on the TCP port, when this user may know."""
    try:
        connections = psutil.net_connections("tcp4")
        pid = next((c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port), None)
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else None
    except psutil.Error:
        return None  # not ours to see


def parent_of(process: Process) -> int | None:
    """Its parent's id, None when it has ended."""
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return None


def command_of(process: Process) -> list[str]:
    """Its command line; empty when it has ended."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def send(process: Process, end_signal: signal.Signals) -> None:
    """Send the signal unless the process has ended."""
    try:
        process.send_signal(end_signal)
    except psutil.NoSuchProcess:
        return  # what was wanted


def gone(processes: Sequence[Process], timeout_s: float) -> bool:
    """Wait; True when all of them ended in time, whether or not their parent has noticed."""
    deadline = time.monotonic() + timeout_s
    while any(map(_runs, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _runs(process: Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _select(wanted: Callable[[Process], bool]) -> list[Process]:
    return [process for process in psutil.process_iter() if _holds(wanted, process)]


def _holds(wanted: Callable[[Process], bool], process: Process) -> bool:
    try:
        return wanted(process)
    except (psutil.Error, OSError):
        return False  # ended meanwhile, or somebody else's
