"""CPU seconds by stage, read from /proc: which part of the system an order spends its time in."""

from collections import defaultdict
from collections.abc import Mapping

import psutil  # type: ignore[import-untyped]

from sandbox.harness import Sandbox

_GROUP = "--group"


def cpu_by_stage(sandbox: Sandbox) -> Mapping[str, float]:
    """CPU seconds so far of each part; the host by process group, PostgreSQL by database."""
    spent: dict[str, float] = defaultdict(float)
    for part, pid in sandbox.running.pids().items():
        if pid is not None:
            for process in _family(pid):
                _add(spent, part, process)
    return spent


def per_order(before: Mapping[str, float], after: Mapping[str, float], orders: int) -> dict[str, float]:
    """Microseconds of CPU per order and stage; stages that were idle are left out."""
    used = {stage: (after[stage] - before.get(stage, 0.0)) / max(1, orders) * 1e6 for stage in after}
    shown = {stage: round(micros, 0) for stage, micros in sorted(used.items()) if micros >= 1}
    return shown | {"total": sum(shown.values())}


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _add(spent: dict[str, float], part: str, process: psutil.Process) -> None:
    try:
        times, words = process.cpu_times(), process.cmdline()
    except psutil.NoSuchProcess:
        return
    spent[_stage(part, words)] += times.user + times.system


def _stage(part: str, words: list[str]) -> str:
    if part == "host" and _GROUP in words:
        return words[words.index(_GROUP) + 1]
    if part == "postgres":
        # A backend's title: "postgres: USER DATABASE ADDRESS ACTIVITY"; the others serve the whole cluster.
        title = " ".join(words).removeprefix("postgres: ").split()
        is_backend = len(title) > 2 and "(" in title[2]
        return f"postgres:{title[1]}" if is_backend else "postgres:background"
    return part
