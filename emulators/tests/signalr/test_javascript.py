"""The unmodified JavaScript client, against the command line."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from emulators.processes.postgres import free_port
from emulators.signalr.tokens import AccessKeys
from emulators.tests.signalr.javascript import javascript_client
from emulators.tests.signalr.support import KEY

_KEYS = AccessKeys([KEY])
_ROOT = Path(__file__).parents[3]


@contextlib.asynccontextmanager
async def emulator(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command line, once it says that it is ready."""
    command = ["-m", "emulators.signalr", "--port", str(port), "--access-key", KEY]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == f"SignalR emulator ready on http://127.0.0.1:{port}\n".encode()
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def send(url: str, path: str, *arguments: object) -> None:
    headers = {"Authorization": "Bearer " + _KEYS.sign(url + path, {})}
    async with httpx.AsyncClient() as http:
        body = {"target": "hello", "arguments": arguments}
        assert (await http.post(url + path, json=body, headers=headers)).status_code == 202


async def join(url: str, path: str) -> None:
    headers = {"Authorization": "Bearer " + _KEYS.sign(url + path, {})}
    async with httpx.AsyncClient() as http:
        assert (await http.put(url + path, headers=headers)).status_code in (200, 202)


def token(url: str, user: str) -> str:
    return _KEYS.sign(f"{url}/client/?hub=chat", {"nameid": user})


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
async def test_client_receives_by_user_group_and_broadcast(protocol: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    opened = javascript_client(f"{url}/client/?hub=chat", token(url, "alice"), protocol=protocol)
    async with emulator(port), opened as client:
        await send(url, "/api/v1/hubs/chat/users/bob", "not for alice")
        await send(url, "/api/v1/hubs/chat/users/alice", {"n": 1.5}, "ünïcode", None)
        assert await client.event("hello") == [{"n": 1.5}, "ünïcode", None]
        await join(url, "/api/v1/hubs/chat/groups/traders/users/alice")
        await send(url, "/api/v1/hubs/chat/groups/traders", "group")
        assert await client.event("hello") == ["group"]
        await send(url, "/api/v1/hubs/chat", "all")
        assert await client.event("hello") == ["all"]
        client.order("stop")
        assert await client.event("closed") is None


async def test_client_reconnects_after_kill_and_after_stop() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        async with emulator(port) as first:
            client = await stack.enter_async_context(javascript_client(f"{url}/client/?hub=chat", token(url, "alice")))
            first.kill()
            await client.event("reconnecting")
        async with emulator(port):
            await client.event("reconnected")
        assert "shutting down" in await client.event("reconnecting")
        async with emulator(port):
            await client.event("reconnected")
            await send(url, "/api/v1/hubs/chat/users/alice", "again")
            assert await client.event("hello") == ["again"]


async def test_invoking_client_is_closed_with_the_reason() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with emulator(port), javascript_client(f"{url}/client/?hub=chat", token(url, "alice")) as client:
        client.order("invoke")
        assert "serverless mode" in await client.event("closed")
