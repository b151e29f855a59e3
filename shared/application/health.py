"""Whether orders can be taken, and the state of everything that the broker leans on.

Every check runs at the same time and gets one second together with all others; a check that fails or is late makes
its dependency DOWN. Nothing of an error leaves the process: addresses and reasons are in the log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from shared.contracts.health import DependencyView, HealthView

BOUND_S: Final = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that may be down. `probe` returns when it is up and raises otherwise."""

    name: str
    required: bool
    """Orders can't be taken without it."""
    probe: Callable[[], Awaitable[object]]


class Health:
    """The use case."""

    def __init__(self, dependencies: Sequence[Dependency], *, bound_s: float = BOUND_S) -> None:
        self._dependencies = dependencies
        self._bound_s = bound_s

    async def get(self) -> HealthView:
        """The state of each dependency, in about a second at most. Never raises."""
        found = await asyncio.gather(*map(self._check, self._dependencies))
        down = [each for each in found if each.state == "DOWN"]
        if any(each.required for each in down):
            return HealthView(status="DOWN", dependencies=list(found))
        return HealthView(status="DEGRADED" if down else "OK", dependencies=list(found))

    async def _check(self, dependency: Dependency) -> DependencyView:
        began = time.monotonic()
        is_up = True
        try:
            async with asyncio.timeout(self._bound_s):
                await dependency.probe()
        except Exception as error:  # noqa: BLE001 - each client has its own errors; any of them means it is down
            _log.warning("a dependency is down", dependency=dependency.name, error=type(error).__name__)
            is_up = False
        return DependencyView(
            name=dependency.name,
            state="UP" if is_up else "DOWN",
            required=dependency.required,
            ms=round((time.monotonic() - began) * 1000),
        )
