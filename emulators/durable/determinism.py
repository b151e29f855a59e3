"""Whether a replay asks for what the history says was asked for.

Purpose: the SDK detects nothing, so an orchestrator that reads the clock or was edited while instances
run would be fed the results of other tasks; the engine fails the instance instead, naming both sides.
Rules: each recorded leaf task must be repeated at its place by kind and name, names without regard to case.
"""

from emulators.durable.actions import AskEntity, CallActivity, CallHttp, CallSubOrchestrator, CreateTimer, Task
from emulators.durable.execution import Execution
from emulators.durable.history import HTTP_ACTIVITY


def find_divergence(execution: Execution, tasks: tuple[Task, ...]) -> str | None:
    """The sentence that explains the first difference, or None if history and replay agree."""
    for position, seq in enumerate(execution.leaves):
        event = execution.scheduled[seq]
        recorded = (event.WHAT, event.label)
        replayed = _identity(tasks[position]) if position < len(tasks) else None
        if replayed is None or not _same(recorded, replayed):
            return _explain(execution, seq, recorded, replayed)
    return None


def _identity(task: Task) -> tuple[str, str]:
    match task:
        case CallActivity():
            return "activity", task.name
        case CallSubOrchestrator():
            return "sub-orchestration", task.name
        case CreateTimer():
            return "timer", ""
        case AskEntity():
            return "entity operation", task.instance_id
        case CallHttp():
            return "activity", HTTP_ACTIVITY


def _same(recorded: tuple[str, str], replayed: tuple[str, str]) -> bool:
    return recorded[0] == replayed[0] and recorded[1].casefold() == replayed[1].casefold()


def _explain(execution: Execution, seq: int, recorded: tuple[str, str], replayed: tuple[str, str] | None) -> str:
    now = _name(*replayed) if replayed else "nothing"
    return (
        f"Non-Deterministic workflow detected: the history of '{execution.start.name}' has {_name(*recorded)} "
        f"as task {seq}, but the replay asked for {now} there. Was the code changed while instances are running, "
        "or does it use the clock, random values or I/O?"
    )


def _name(what: str, label: str) -> str:
    return f"{what} '{label}'" if label else f"a {what}"
