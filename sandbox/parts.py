"""What a sandbox is made of, as data: long-running parts and one-off steps, each naming what it needs first."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals


def _nothing() -> None:
    """Most parts need no preparation."""


@dataclass(frozen=True)
class Part:
    """A child process. `ready` is asked often, may block for seconds at most and never raises.

    It starts once what it `needs` is up, beside what it merely `uses` and waits for itself; both outlive it.
    One that comes `late` starts when all others serve, and nobody waits for it.
    `prepare` runs before every start; `recover` may put damaged files aside and then returns True;
    `remedy` is what to do when it does not start.
    """

    name: str
    title: str
    command: Callable[[], Sequence[str]]
    ready: Callable[[], bool]
    log: Path
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    recover: Callable[[], bool] | None = None
    address: str = ""
    remedy: str = ""
    stop_signal: Signals = SIGTERM
    stop_within_s: float = 5.0
    ready_within_s: float = 60.0
    late: bool = False


@dataclass(frozen=True)
class Step:
    """Something done once on the way up; the action returns a note for the progress line."""

    name: str
    title: str
    action: Callable[[], Awaitable[str]]
    needs: tuple[str, ...] = ()


type Node = Part | Step


def with_needs(nodes: Iterable[Node], names: Iterable[str], *, also_used: bool = True) -> set[str]:
    """The names and everything that they need or, unless excluded, use, directly or through others."""
    by_name = {node.name: node for node in nodes}
    found: set[str] = set()
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            node = by_name[name]
            open_names.extend(node.needs + (node.uses if also_used and isinstance(node, Part) else ()))
    return found
