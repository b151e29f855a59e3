"""Dispatch hints within this process."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class MemoryDispatchHints:
    """`DispatchHints`; several dispatchers may listen."""

    away: bool = False
    listeners: list[Callable[[], None]] = field(default_factory=list)

    async def orders_wait(self) -> bool:
        if self.away:
            return False
        for wake in self.listeners:
            wake()
        return bool(self.listeners)

    def listen(self, wake: Callable[[], None]) -> None:
        self.listeners[:] = [wake]
