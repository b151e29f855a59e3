"""A whole sandbox for tests and benchmarks: own folder, own ports, parts that can be killed.

It drives `python -m sandbox run` as a process of its own, so what a test kills and restarts is exactly
what users run. Many can run side by side. It ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG),
so start it from the main thread or from one that lives on.

    with Sandbox.start(tmp_path / "data") as sandbox:
        httpx.get(f"{sandbox.base_url}/api/orders", headers=sandbox.authorization("alice"))
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from emulators.processes.processes import command_of, gone, send, tree
from sandbox.child import ending_with_us
from sandbox.clock import set_market_time
from sandbox.demo import DEMO_FILE
from sandbox.errors import SandboxError
from sandbox.running import Running

PARTS = ("postgres", "valkey", "entra", "messaging", "exchange", "host", "signalr", "cosmos")
_ROOT = Path(__file__).parent.parent
_POLL_S = 0.02


@dataclass(frozen=True)
class SandboxOptions:
    """What may differ between test sandboxes; see `sandbox.options.Options`."""

    port: int = 0
    groups: str = "flex"
    """`flex` has a process for each scale group, as in Azure; `default` two, as `make run`."""
    makers: bool = True
    feed: bool = False
    """Publish market data, and let others than clients trade, as `make run` does; it takes a tenth of a core."""
    sessions: str = "continuous"
    demo: Path = DEMO_FILE
    settings: Mapping[str, str] = field(default_factory=dict)
    only: Sequence[str] = ()
    fsync: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of its processes on top of ours, such as a PYTHONPATH that instruments them."""

    def arguments(self) -> list[str]:
        """As words of `python -m sandbox run`."""
        words = ["--port", str(self.port), "--groups", self.groups, "--sessions", self.sessions]
        words += ["--demo", str(self.demo), "--no-story"]
        words += ["--feed" if self.feed else "--no-feed"]
        words += ["--makers" if self.makers else "--no-makers", "--fsync" if self.fsync else "--no-fsync"]
        words += [word for name, value in self.settings.items() for word in ("--setting", f"{name}={value}")]
        return words + [word for part in self.only for word in ("--only", part)]


class Sandbox:
    """One running sandbox; also a context manager that stops it."""

    def __init__(self, data: Path, options: SandboxOptions) -> None:
        self.data = data.resolve()
        self.options = options
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, data: Path, options: SandboxOptions | None = None, *, timeout_s: float = 120) -> Self:
        """Start on the folder and wait until everything serves. Raises SandboxError with what was printed."""
        sandbox = cls(data, options or SandboxOptions())
        sandbox.launch(timeout_s)
        return sandbox

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> Running:
        """Addresses, secrets and process ids, read anew."""
        return Running.at(self.data)

    @property
    def base_url(self) -> str:
        """Where the HTTP API is served, without `/api`."""
        return self.running.base_url

    @property
    def exchange_admin_url(self) -> str:
        """The exchange simulator's admin API: clock, faults, books."""
        return self.running.exchange_admin_url

    @property
    def output(self) -> str:
        """What the sandbox printed."""
        return self._output_file.read_text(errors="replace") if self._output_file.exists() else ""

    @property
    def feed_admin_url(self) -> str:
        """The market feed's admin API: faults and restarts."""
        return self.running.endpoints.feed_admin_url

    def dsn(self, database: str = "broker") -> str:
        """libpq URI of `broker`, `durable`, `messaging` or `exchange`."""
        return self.running.dsn(database)

    def token(self, user: str) -> str:
        """A bearer token of a demo user."""
        return self.running.token(user)

    def authorization(self, user: str) -> dict[str, str]:
        """The request header that carries the user's token."""
        return {"Authorization": f"Bearer {self.token(user)}"}

    def set_market_time(self, when: datetime | None) -> None:
        """Set the clock of broker and venue; None for the real time. Brokers notice within a second."""
        set_market_time(self.running, when)

    def launch(self, timeout_s: float = 120) -> None:
        """Start (again) on the same folder, after `stop` or `kill_everything`."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "sandbox", "run", "--data", str(self.data), *self.options.arguments()]
        with self._output_file.open("wb") as output:
            self._process = subprocess.Popen(
                ending_with_us(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=_ROOT,
                env={**os.environ, **self.options.environment},
                start_new_session=True,
            )
        self._wait(self._is_serving, timeout_s, "did not come up")

    def pid(self, part: str) -> int:
        """Process id of a part. Raises SandboxError while it is down."""
        pid = self.running.pids().get(part)
        if pid is None:
            raise SandboxError(f"{part} is not running: wait for it with restarted().")
        return pid

    def host_children(self) -> list[int]:
        """Process ids of the host's group processes, without the template that they are forked from."""
        return [int(process.pid) for process in tree(self.pid("host"))[1:] if "--group" in command_of(process)]

    def host_group(self, group: str) -> int:
        """Process id of one of the host's groups, such as `http`. Raises SandboxError while it is down."""
        for process in tree(self.pid("host"))[1:]:
            words = command_of(process)
            if "--group" in words and words[words.index("--group") + 1] == group:
                return int(process.pid)
        raise SandboxError(f"the host's group {group} is not running.")

    def kill(self, part: str) -> int:
        """kill -9 the part; its supervisor starts it again. Returns the process id that it had."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def restart(self, part: str, timeout_s: float = 60) -> None:
        """Kill the part and wait until it serves again."""
        old = self.kill(part)
        self._wait(lambda: self.running.pids().get(part) not in (None, old), timeout_s, f"did not restart {part}")

    def kill_supervisor(self) -> None:
        """kill -9 the supervisor alone; its children end with it."""
        process = self._started()
        process.kill()
        process.wait()

    def kill_everything(self) -> None:
        """kill -9 supervisor and parts at one moment, as a power cut would; `launch` recovers."""
        process = self._started()
        victims = tree(process.pid)
        for victim in victims:
            send(victim, signal.SIGKILL)
        process.wait()
        gone(victims, timeout_s=10)

    def stop(self, timeout_s: float = 60) -> int:
        """Stop as Ctrl-C does; returns the exit code."""
        process = self._started()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        return process.wait(timeout_s)

    @property
    def _output_file(self) -> Path:
        return self.data.with_name(f"{self.data.name}.output")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise SandboxError("The sandbox was not started: call launch().")
        return self._process

    def _is_serving(self) -> bool:
        process = self._started()
        if process.poll() is not None:
            raise SandboxError(f"The sandbox ended with {process.returncode}: {self.output}")
        if not (self.data / "VERSION").exists():
            return False
        running = self.running
        return running.state().get("pid") == process.pid and running.is_serving()

    def _wait(self, condition: Callable[[], bool], timeout_s: float, failure: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise SandboxError(f"The sandbox {failure} within {timeout_s:.0f} s: {self.output}")
            time.sleep(_POLL_S)
