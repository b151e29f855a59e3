"""CPU seconds and wake-ups by stage, read from /proc: which part of the system an order spends its time in.

A wake-up is a voluntary context switch: a thread that had nothing to do waited and runs again. On virtual machines each
costs far more than the work that it is for.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from sandbox.harness import Sandbox

_GROUP: Final = "--group"
_SWITCHES: Final = "voluntary_ctxt_switches:"
type ByStage = dict[str, float]


@dataclass
class Usage:
    """So far, by stage: the host by process group, PostgreSQL by database."""

    cpu_s: ByStage = field(default_factory=lambda: defaultdict(float))
    wakeups: ByStage = field(default_factory=lambda: defaultdict(float))

    def since(self, before: "Usage") -> "Usage":
        """The difference."""
        return Usage(_less(self.cpu_s, before.cpu_s), _less(self.wakeups, before.wakeups))

    def without(self, idle: "Usage", times: float) -> "Usage":
        """Less what an idle system uses, `times` over."""
        return Usage(_less(self.cpu_s, idle.cpu_s, times), _less(self.wakeups, idle.wakeups, times))

    def cpu_us_per_order(self, orders: int) -> ByStage:
        """Microseconds an order; stages that were idle are left out."""
        return _per_order(self.cpu_s, orders, 1e6, 1.0)

    def wakeups_per_order(self, orders: int) -> ByStage:
        """Wake-ups an order; stages that were idle are left out."""
        return _per_order(self.wakeups, orders, 1, 0.01)


def usage_of(sandbox: Sandbox) -> Usage:
    """What every process of the sandbox has used so far."""
    usage = Usage()
    for part, pid in sandbox.running.pids().items():
        if pid is not None:
            add_processes(usage, part, pid)
    return usage


def add_processes(usage: Usage, part: str, pid: int) -> None:
    """Add a process and its children."""
    for process in _family(pid):
        try:
            times, words, wakeups = process.cpu_times(), process.cmdline(), _wakeups(process.pid)
        except (psutil.NoSuchProcess, OSError):
            continue
        stage = _stage(part, words)
        usage.cpu_s[stage] += times.user + times.system
        usage.wakeups[stage] += wakeups


def _less(after: Mapping[str, float], before: Mapping[str, float], times: float = 1.0) -> ByStage:
    return {stage: value - times * before.get(stage, 0.0) for stage, value in after.items()}


def _per_order(used: Mapping[str, float], orders: int, unit: float, least: float) -> ByStage:
    each = {stage: value / max(1, orders) * unit for stage, value in sorted(used.items())}
    digits = 0 if unit > 1 else 2
    shown = {stage: round(value, digits) for stage, value in each.items() if value >= least}
    return shown | {"total": round(sum(shown.values()), digits)}


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _wakeups(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith(_SWITCHES))
    return total


def _stage(part: str, words: list[str]) -> str:
    if part == "host" and _GROUP in words:
        return words[words.index(_GROUP) + 1]
    if part == "postgres":
        # A backend's title: "postgres: USER DATABASE ADDRESS ACTIVITY"; the others serve the whole cluster.
        title = " ".join(words).removeprefix("postgres: ").split()
        is_backend = len(title) > 2 and "(" in title[2]
        return f"postgres:{title[1]}" if is_backend else "postgres:background"
    return part
