"""Whether orders can be taken, and the state of each dependency.

Checks run at the same time and get one second together. A check that is late counts as DOWN at once; it keeps
running, and no other is started until it has ended, so a frozen server costs one connection however often health is
requested.
Nothing of an error leaves the process: addresses and reasons are in the log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from shared.contracts.health import DependencyState, DependencyView, HealthStatus, HealthView
from shared.ports.health import ProgressReader

BOUND_S: Final = 1.0
_LATE: Final = timedelta(seconds=3)
"""Orders normally move on within a second."""
_STUCK: Final = timedelta(seconds=15)
"""Longer than a restart takes: more orders would only wait with the others."""
_SWEEP_LATE: Final = timedelta(seconds=15)
"""Three of its rounds."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that may be down. `probe` returns its state (None: UP) and raises when it is down."""

    name: str
    required: bool
    """Orders can't be taken without it."""
    probe: Callable[[], Awaitable[object]]
    keep_s: float = 0.0
    """How long an answer is good for, where asking is dear."""


async def judge_progress(reader: ProgressReader) -> DependencyState:
    """Whether what was accepted moves on, and whether the sweep runs that repairs what does not."""
    progress = await reader.progress()
    if progress.waiting is not None and progress.waiting > _STUCK:
        return DependencyState.DOWN
    is_late = progress.waiting is not None and progress.waiting > _LATE
    is_alone = progress.since_sweep is None or progress.since_sweep > _SWEEP_LATE
    return DependencyState.DEGRADED if is_late or is_alone else DependencyState.UP


class Health:
    """The use case."""

    def __init__(self, dependencies: Sequence[Dependency], *, bound_s: float = BOUND_S) -> None:
        self._checks = [_Check(dependency, bound_s) for dependency in dependencies]

    async def get(self) -> HealthView:
        """The state of each dependency, in about a second at most. Never raises."""
        found = await asyncio.gather(*(check.look() for check in self._checks))
        if any(each.required and each.state is DependencyState.DOWN for each in found):
            return HealthView(status=HealthStatus.DOWN, dependencies=list(found))
        is_ok = all(each.state is DependencyState.UP for each in found)
        return HealthView(status=HealthStatus.OK if is_ok else HealthStatus.DEGRADED, dependencies=list(found))


class _Check:
    """One dependency's probe: one at a time, and what it found last."""

    def __init__(self, dependency: Dependency, bound_s: float) -> None:
        self._dependency = dependency
        self._bound_s = bound_s
        self._running: asyncio.Task[DependencyState] | None = None
        self._ended_at = -dependency.keep_s
        self._began_at = 0.0
        self._last = DependencyState.UP

    async def look(self) -> DependencyView:
        began = time.monotonic()
        if self._running is None or (self._running.done() and began - self._ended_at >= self._dependency.keep_s):
            self._running = asyncio.create_task(self._probe())
            self._began_at = began
        # Not cancelled when the time is over: a driver that cancels politely would keep us waiting.
        await asyncio.wait([self._running], timeout=self._bound_s)
        if self._running.done():
            self._last = self._running.result()
        elif time.monotonic() - self._began_at >= max(self._bound_s, self._dependency.keep_s):
            self._last = DependencyState.DOWN
        # A dear check may take as long as its answer is good for; until then the answer before it stands.
        state = self._last
        return DependencyView(
            name=self._dependency.name,
            state=state,
            required=self._dependency.required,
            ms=round((time.monotonic() - began) * 1000),
        )

    async def _probe(self) -> DependencyState:
        try:
            found = await self._dependency.probe()
        except Exception as error:  # noqa: BLE001 - each client has its own errors; any of them means it is down
            _log.warning(
                "a dependency does not answer the health check",
                dependency=self._dependency.name,
                error=type(error).__name__,
            )
            return DependencyState.DOWN
        finally:
            self._ended_at = time.monotonic()
        return found if isinstance(found, DependencyState) else DependencyState.UP
