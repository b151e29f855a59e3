"""Whether orders move."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """`waiting` is how long the oldest order, request or saga has waited beyond what is normal, None when nothing does;
    `since_sweep` how long ago the sweep ran last, None if it never did."""

    waiting: timedelta | None
    since_sweep: timedelta | None


class ProgressReader(Protocol):
    """Looks at the backlog."""

    async def progress(self) -> Progress:
        """Three look-ups by index. Raises UnavailableError."""
