"""The options of one run of the sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.demo import DEMO_FILE

DEFAULT_DATA = Path(".data")
DEFAULT_PORT = 7071


@dataclass(frozen=True)
class Options:
    """`port` 0 chooses a free one; `settings` are app settings laid over the sandbox's own.

    `makers` lets market makers quote; `sessions` is the venue's calendar (`continuous` trades at any hour);
    without `fsync` a crash of the machine, unlike one of a process, may lose data: for tests only.
    `feed` publishes market data and lets participants who are no clients trade, so that prices move.
    `only` starts the named parts and what they need, instead of all.
    """

    data: Path = DEFAULT_DATA
    port: int = DEFAULT_PORT
    groups: str = "default"
    demo: Path = DEMO_FILE
    settings: Mapping[str, str] = field(default_factory=dict)
    makers: bool = True
    feed: bool = True
    sessions: str = "continuous"
    fsync: bool = True
    story: bool = True
    only: tuple[str, ...] = ()
