"""Faults on demand, set at run time over the admin API; a restart clears them.

    slow_ms         every report is sent at least this much later
    silent          no report is sent until this is switched off
    deaf            requests stay on the queue
    duplicate       every report is sent twice
    reorder         reports are shuffled, each in a message of its own
    reject_percent  share of NEW and REPLACE requests refused with SIMULATED
    drop_reports    this many of the next reports are not sent; a RESEND request still gets them

Faults affect the gateway only: book and journal stay correct.
"""

import asyncio
import random

from pydantic import BaseModel, ConfigDict, Field


class FaultSettings(BaseModel):
    """What is switched on."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    slow_ms: int = Field(default=0, ge=0, le=600_000)
    silent: bool = False
    deaf: bool = False
    duplicate: bool = False
    reorder: bool = False
    reject_percent: int = Field(default=0, ge=0, le=100)
    drop_reports: int = Field(default=0, ge=0)


class Faults:
    """The settings in force, and the choices they need."""

    def __init__(self, seed: int = 0) -> None:
        self.settings = FaultSettings()
        self._changed = asyncio.Event()
        self._random = random.Random(seed)  # noqa: S311 - simulation, no secret

    def set(self, settings: FaultSettings) -> None:
        """Replace all settings."""
        self.settings = settings
        self._changed.set()
        self._changed = asyncio.Event()

    async def until_not_silent(self) -> None:
        """Return once the venue is not silent."""
        while self.settings.silent:
            await self._changed.wait()

    def rejects(self) -> bool:
        """Whether `reject_percent` refuses the next request."""
        percent = self.settings.reject_percent
        return bool(percent) and self._random.random() * 100 < percent

    def groups(self, bodies: list[bytes], size: int) -> list[list[bytes]]:
        """The reports to send, grouped into messages, after dropping, doubling and shuffling."""
        settings = self.settings
        if dropped := min(settings.drop_reports, len(bodies)):
            self.settings = settings.model_copy(update={"drop_reports": settings.drop_reports - dropped})
            bodies = bodies[dropped:]
        groups = [bodies[start : start + size] for start in range(0, len(bodies), size)]
        if settings.reorder:
            groups = [[body] for body in self._random.sample(bodies, len(bodies))]
        return groups * 2 if settings.duplicate else groups
