"""The floor that place-order stands on: a function that does nothing, behind the same host and worker library."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.brokers import BenchmarkError
from bench.usage import Usage, add_processes
from emulators.processes.postgres import free_port
from sandbox.child import ending_with_us

_APP = Path(__file__).parent / "empty"
_READY_WITHIN_S = 20.0


@dataclass(frozen=True)
class Floor:
    """A host with the empty function."""

    url: str
    pid: int

    def usage(self) -> Usage:
        """What it has used so far; stage `http` is the process that serves."""
        usage = Usage()
        add_processes(usage, "host", self.pid)
        return usage


@contextmanager
def empty_function() -> Iterator[Floor]:
    """Serve it on a port of its own."""
    port = free_port()
    with TemporaryDirectory(prefix="bench-floor-") as folder:
        words = ["--app", str(_APP), "--port", str(port), "--data", folder, "--no-keys", "--log-level", "warning"]
        process = subprocess.Popen(
            ending_with_us([sys.executable, "-m", "emulators.functions", *words]), stdout=subprocess.DEVNULL
        )
        try:
            url = f"http://127.0.0.1:{port}/api/orders"
            _wait(process, url)
            yield Floor(url, process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            if httpx.post(url).status_code == httpx.codes.ACCEPTED:
                return
        except httpx.TransportError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError("the empty function does not answer") from error
        time.sleep(0.05)
