"""One child process: started so that it ends with us, waited for until it serves, stopped in bounded time."""

import asyncio
import errno
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from emulators.processes.drop_privileges import EXIT_REFUSED
from emulators.processes.log_files import private_log
from sandbox.errors import SandboxError
from sandbox.parts import Part

_POLL_S = 0.015
_SIGNIFICANT = re.compile(r"error|fatal|panic|cannot|refused", re.IGNORECASE)
_ROOT = Path(__file__).parent.parent
_LAUNCHER = _ROOT / "emulators" / "processes" / "drop_privileges.py"
_NO_ROOM = os.strerror(errno.ENOSPC)


def ending_with_us(command: Sequence[str], death_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command, made to receive the signal when this process ends, however it ends."""
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(int(death_signal)), "0", str(os.getpid()), *command]


class Child:
    """A running part; `start` again after it ended. `problem` takes a sentence about what went wrong."""

    def __init__(self, part: Part, problem: Callable[[str], None]) -> None:
        self.part = part
        self.serves = asyncio.Event()
        self._problem = problem
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
        self.serves.set()
        return time.monotonic() - began

    async def ended(self) -> str:
        """Wait for its end; returns how it ended."""
        if self._process is None:
            return "never started"
        code = await self._process.wait()
        self.serves.clear()
        return _describe(code)

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
        with self._open_log() as output:
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

    def _open_log(self) -> BinaryIO:
        """The log to append to; a part without one is better than none."""
        try:
            return private_log(self.part.log)
        except OSError as error:
            self._problem(f"{self.part.title} runs without a log: {self.part.log}: {error.strerror}.")
            return Path(os.devnull).open("ab")

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
        lines = [line.strip() for line in self._said().splitlines() if line.strip()]
        significant = [line for line in lines if _SIGNIFICANT.search(line)] or lines
        words = f": {significant[-1][:300]}" if significant else ""
        return f"{words} (see {self.part.log}). {self._remedy(words)}".rstrip()

    def _remedy(self, words: str) -> str:
        if _NO_ROOM in words:
            return "Make room on the disk."
        # A refusal by the launcher names its own remedy.
        refused = self._process is not None and self._process.returncode == EXIT_REFUSED
        return "" if refused else self.part.remedy

    def _said(self) -> str:
        try:
            with self.part.log.open("rb") as log:
                log.seek(self._log_start)
                return log.read().decode(errors="replace")
        except OSError:
            return ""  # it ran without a log, which was reported


def _describe(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
