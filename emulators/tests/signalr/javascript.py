"""The unmodified `@microsoft/signalr` client in Node; installed once a machine into the user's cache folder."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_VERSION = "10.0.0"
_PACKAGES = ("@microsoft/signalr", "@microsoft/signalr-protocol-msgpack")
_SCRIPT = Path(__file__).with_name("client.mjs")
_BOUND_S = 20.0


def installed_packages() -> Path:
    """The folder whose node_modules hold the client; skips the test when it cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are needed for the JavaScript client")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = caches / "signalr-tests" / f"{_VERSION}-messagepack"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "complete").exists():
            _install(npm, cache)
    return cache


def _install(npm: str, cache: Path) -> None:
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(cache)]
    try:
        subprocess.run(
            [*command, *(f"{name}@{_VERSION}" for name in _PACKAGES)], check=True, capture_output=True, timeout=90
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install the client: {error}")
    (cache / "complete").touch()


@dataclass
class JavaScriptClient:
    """A Node process with one hub connection."""

    process: asyncio.subprocess.Process

    async def event(self, name: str) -> Any:
        """The data of the next event of that name."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_BOUND_S):
            while True:
                line = await self.process.stdout.readline()
                assert line, f"the client ended before '{name}'"
                event = json.loads(line)
                if event["event"] == name:
                    return event.get("data")

    def order(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")


@contextlib.asynccontextmanager
async def javascript_client(
    url: str, token: str = "", targets: str = "hello", protocol: str = "json"
) -> AsyncIterator[JavaScriptClient]:
    """A client that negotiates at `url`, has connected, and has events named as the targets that it is called by."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(_SCRIPT),
        str(await asyncio.to_thread(installed_packages)),
        url,
        token,
        targets,
        protocol,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        client = JavaScriptClient(process)
        await client.event("connected")
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
