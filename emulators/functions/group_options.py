"""What a group process is started with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GroupOptions:
    """What the supervisor hands to a group process."""

    app: Path
    settings: Path | None
    data: Path
    mode: str
    group: str
    public_url: str
    log_level: str | None
    body_limit: int
    drain_s: float
    channel_fd: int
    listen_fd: int | None
    parent: int
    refuse_after_ms: int | None
    no_keys: bool = False
