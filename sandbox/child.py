"""One child process: started so that it ends with us, waited for until it serves, stopped in bounded time."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from emulators.processes.drop_privileges import EXIT_REFUSED
from sandbox.errors import SandboxError
from sandbox.parts import Part

_POLL_S = 0.015
_MAX_LOG_BYTES = 20_000_000
_TELLING = re.compile(r"error|fatal|panic|cannot|refused", re.IGNORECASE)
_ROOT = Path(__file__).parent.parent
_LAUNCHER = _ROOT / "emulators" / "processes" / "drop_privileges.py"


def ending_with_us(command: Sequence[str], death_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command, made to receive the signal when this process ends, however it ends."""
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(int(death_signal)), "0", str(os.getpid()), *command]


class Child:
    """A running part; `start` again after it ended."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> float:
        """Start and wait until it serves; returns the seconds it took. Raises SandboxError."""
        began = time.monotonic()
        self._end_remains()
        await asyncio.to_thread(self.part.prepare)
        await self._spawn()
        try:
            await asyncio.wait_for(self._until_ready(), self.part.ready_within_s)
        except TimeoutError:
            await self.kill()
            raise SandboxError(
                f"{self.part.title} did not serve within {self.part.ready_within_s:g} s: see {self.part.log}."
            ) from None
        return time.monotonic() - began

    async def ended(self) -> str:
        """Wait for its end; tells how it ended."""
        if self._process is None:
            return "never started"
        return _describe(await self._process.wait())

    async def stop(self) -> None:
        """Ask it to end, then make it end."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(self.part.stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), self.part.stop_within_s)
        except TimeoutError:
            await self.kill()
        self._end_remains()

    async def kill(self) -> None:
        """End it and its own children at once."""
        self._end_remains()
        if self._process is not None:
            await self._process.wait()

    async def _spawn(self) -> None:
        log = self.part.log
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.rename(log.with_name(f"{log.name}.1"))
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self.part.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.part.environment),
                cwd=_ROOT,
                start_new_session=True,
            )

    async def _until_ready(self) -> None:
        assert self._process is not None
        while not await asyncio.to_thread(self.part.ready):
            if self._process.returncode is not None:
                how = _describe(self._process.returncode)
                raise SandboxError(f"{self.part.title} ended while starting ({how}){self._last_words()}")
            await asyncio.sleep(_POLL_S)

    def _end_remains(self) -> None:
        """A part's own children share its process group and must not outlive it."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return  # none left

    def _last_words(self) -> str:
        with self.part.log.open("rb") as log:
            log.seek(self._log_start)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if _TELLING.search(line)] or lines
        words = f": {telling[-1][:300]}" if telling else ""
        # A refusal by the launcher tells its own remedy.
        remedy = "" if self._process is not None and self._process.returncode == EXIT_REFUSED else self.part.remedy
        return f"{words} (see {self.part.log}). {remedy}".rstrip()


def _describe(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
