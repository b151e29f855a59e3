"""Starts the real command line on a copy of a sample app and waits on conditions, bounded."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from emulators.tests.support.waiting import wait_until

REPOSITORY = Path(__file__).parents[3]
APPS = Path(__file__).with_name("apps")


def eventually[Result](probe: Callable[[], Result], what: str, timeout_s: float = 20.0) -> Result:
    """See `wait_until`."""
    return wait_until(probe, timeout_s, what=what)


@dataclass
class RunningHost:
    """One host process tree on its own port, app copy and data folder."""

    folder: Path
    process: subprocess.Popen[bytes]
    url: str = ""
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    @classmethod
    def start(
        cls, folder: Path, app: str | Path, *options: str, environment: Mapping[str, str] | None = None
    ) -> "RunningHost":
        """Start and return at once; `wait_ready` waits."""
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "app"
        if not copy.exists():
            shutil.copytree(APPS / app, copy, ignore=shutil.ignore_patterns("__pycache__"))
        command = [sys.executable, "-m", "emulators.functions", "--app", str(copy), "--port", "0"]
        command += ["--data", str(folder / "data"), *options]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
            )
        return cls(folder, process)

    @property
    def output(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def errors(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The JSON lines written so far."""
        return [json.loads(line) for line in self.errors.splitlines() if line.startswith("{") and line.endswith("}")]

    @property
    def keys(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "data" / "keys.json").read_text())
        return document

    @property
    def master(self) -> dict[str, str]:
        """The header that opens everything."""
        return {"x-functions-key": self.keys["masterKey"]["_master"]}

    def wait_ready(self) -> "RunningHost":
        """Wait for the ready line; learns the address from it."""

        def ready() -> str:
            assert self.process.poll() is None, f"the host ended: {self.errors}"
            return next((line for line in self.output.splitlines() if line.startswith("Host ready at ")), "")

        self.url = eventually(ready, "readiness", 60).split()[3]
        return self

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, self.url + path, **options)

    def children(self) -> dict[str, psutil.Process]:
        """Group processes by group name; those that end meanwhile are left out."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                arguments = child.cmdline()
            except psutil.NoSuchProcess:  # zombies too
                continue
            if "--group" in arguments:
                found[arguments[arguments.index("--group") + 1]] = child
        return found

    def ended(self, timeout_s: float = 30) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(timeout_s)

    def stop(self) -> None:
        """Stop by SIGTERM, by force after the bound."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
