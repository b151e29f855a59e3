"""Azurite in Node, as it is on npm: installed once a machine into the user's cache folder."""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.tests.support.waiting import wait_until

_FOLDER = Path(__file__).parent
_NAME = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_INSTALL_S = 150


def installed_azurite() -> Path:
    """Azurite's script; skips the test when it cannot be had."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are needed for Azurite")
    lock_file = (_FOLDER / "package-lock.json").read_bytes()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "azurite-tests"
    cache = base / hashlib.sha256(lock_file).hexdigest()[:12]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "complete").exists():
            _install(npm, cache)
    return cache / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


def _install(npm: str, cache: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_FOLDER / name, cache / name)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(cache)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install azurite: {error}")
    (cache / "complete").touch()


@dataclass
class Azurite:
    """One Azurite on its own ports, whose data outlive it."""

    folder: Path
    ports: tuple[int, int, int]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def connection(self) -> str:
        blob, queue, _ = (f"http://127.0.0.1:{port}/{_NAME}" for port in self.ports)
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_NAME};AccountKey={_KEY};"
            f"BlobEndpoint={blob};QueueEndpoint={queue};"
        )

    def start(self) -> "Azurite":
        """Start it, again if need be, and wait until it listens."""
        script = installed_azurite()
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["node", str(script), "--location", str(self.folder), "--silent"]
        for service, port in zip(("blob", "queue", "table"), self.ports, strict=True):
            command += [f"--{service}Port", str(port)]
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=out)
        wait_until(self._listens, 60, what="Azurite")
        return self

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "out").read_text()
        return all(_is_open(port) for port in self.ports)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
