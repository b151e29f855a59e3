"""The supervisor's children: group processes, forked from a template where that is possible."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from emulators.functions.channel import Channel
from emulators.functions.console import warn
from emulators.processes.orphans import Adopted, adopt_orphans, bury_orphans

_ROOT = Path(__file__).parents[2]
_LONGEST_ANSWER = 4096
_TEMPLATE_WITHIN_S = 30.0


class GroupProcess(Protocol):
    """`asyncio.subprocess.Process`, or an adopted one."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def send_signal(self, number: signal.Signals) -> None: ...

    async def wait(self) -> int: ...


@dataclass
class Child:
    """One group process and what it said last."""

    group: str
    process: GroupProcess
    channel: Channel
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    failure: dict[str, Any] | None = None
    replaced: bool = False

    def signal(self, number: signal.Signals) -> None:
        """Send the signal unless it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(number)

    def how_it_ended(self, code: int) -> str:
        """What it said about it, or its exit code."""
        if self.failure is not None:
            # A traceback ends with the message.
            return str(self.failure["traceback"].rstrip() or self.failure["message"])
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Nursery:
    """Starts group processes: `words` are the arguments that all of them share.

    Imports are most of what a start costs, so a template does them once (`template.py`) and groups are forked from it.
    Without a template that works, a group is started by its own command.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], modules: Sequence[str]) -> None:
        self._words = words
        self._environment = environment
        self._modules = modules
        self._template: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._works = sys.platform == "linux"
        self._started: list[GroupProcess] = []
        if self._works:
            adopt_orphans()

    async def start(self, group: str, listener: socket.socket | None) -> Child:
        """Start one process; the listener is handed to it. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            passed = [theirs.fileno()] + ([listener.fileno()] if listener is not None else [])
            command = self._command(group, passed)
            process = await self._forked(group, passed, command) or await self._executed(command, passed)
        return Child(group, process, await Channel.open(ours))

    def bury_orphans(self, others: Collection[int]) -> None:
        """Take notice of ended processes that groups left behind; somebody else waits for `others`."""
        self._started = [process for process in self._started if process.returncode is None]
        if self._works and not self._turn.locked():
            bury_orphans({process.pid for process in self._started} | set(others))

    def end_template(self) -> None:
        """End the template; the next group gets a new one. One that is being started gets none."""
        if self._template is not None and self._template.returncode is None:
            self._template.kill()
        self._template = None

    async def _forked(self, group: str, passed: list[int], command: list[str]) -> Adopted | None:
        async with self._turn:
            if not self._works:
                return None
            try:
                async with asyncio.timeout(_TEMPLATE_WITHIN_S):
                    if self._template is None:
                        self._close_control()
                    control = self._control or await self._open_template()
                    if control is None:
                        return None
                    socket.send_fds(control, [json.dumps({"group": group, "command": command}).encode()], passed)
                    answer = await self._answer(control)
            except (OSError, TimeoutError):
                answer = None
            if answer is None:  # it was killed, for example
                self.end_template()
                return None
            process = Adopted(answer["pid"])
            self._started.append(process)
            return process

    def _close_control(self) -> None:
        # Not when the template ends: somebody may be waiting for its answer, and is given the end of the file.
        if self._control is not None:
            self._control.close()
            self._control = None

    async def _open_template(self) -> socket.socket | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            preloaded = [word for module in self._modules for word in ("--preload", module)]
            command = [*self._python(), "--template", *preloaded, *self._words, "--channel-fd", str(theirs.fileno())]
            self._template = await self._executed(command, [theirs.fileno()])
        self._control = ours
        answer = await self._answer(ours)
        if answer is not None and not answer["obstacle"]:
            return ours
        self._close_control()
        if answer is not None:
            self._works = False
            warn(f"Groups are started without a template: {answer['obstacle']}.")
        return None

    async def _answer(self, control: socket.socket) -> dict[str, Any] | None:
        text = await asyncio.get_running_loop().sock_recv(control, _LONGEST_ANSWER)
        return json.loads(text) if text else None

    def _command(self, group: str, passed: list[int]) -> list[str]:
        command = [*self._python(), "--group", group, *self._words, "--channel-fd", str(passed[0])]
        return command + (["--listen-fd", str(passed[1])] if len(passed) > 1 else [])

    def _python(self) -> list[str]:
        return [sys.executable, "-m", "emulators.functions"]

    async def _executed(self, command: list[str], passed: list[int]) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=passed,
            start_new_session=True,
            cwd=_ROOT,  # where `-m` finds this package, wherever the host was started from
            env=dict(self._environment),
        )
        self._started.append(process)
        return process
