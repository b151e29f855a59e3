"""kill -9 of the server, and of PostgreSQL, between any two steps."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError

from emulators.cosmos.server import DEFAULT_KEY, CosmosServer
from emulators.processes.postgres import PostgresServer, free_port
from emulators.processes.processes import send, working_in
from emulators.tests.cosmos.sdk import Sdk, connected, ids, key_path
from emulators.tests.support.waiting import eventually

pytestmark = pytest.mark.crash


class ServerProcess:
    """The command line server on one port, killed and started at will."""

    def __init__(self, *place: str) -> None:
        self.port = free_port()
        self._place = place
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulators.cosmos", "--port", str(self.port), *self._place),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert line.startswith(b"cosmos ready"), line

    async def stop(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Sdk]:
        async with connected("async", f"http://127.0.0.1:{self.port}/", DEFAULT_KEY) as client:
            yield client


@pytest.fixture
async def process(dsn: str) -> AsyncIterator[ServerProcess]:
    running = ServerProcess("--database", dsn)
    await running.start()
    yield running
    await running.stop(signal.SIGKILL)


async def test_every_answered_write_outlives_random_kills(process: ServerProcess) -> None:
    answered: set[str] = set()
    async with process.client() as client:
        await (await client.create_database("d")).create_container("c", key_path("/pk"))

    async def write(round_number: int) -> None:
        async with process.client() as client:
            container = Sdk(client.raw.get_database_client("d").get_container_client("c"), is_async=True)
            for index in range(1000):
                pair = [f"{round_number}-{index}-{half}" for half in "ab"]
                await container.execute_item_batch([("create", ({"id": one, "pk": "p"},)) for one in pair], "p")
                answered.update(pair)

    for round_number in range(3):
        writing = asyncio.create_task(write(round_number))
        before = len(answered)
        await eventually(lambda before=before: len(answered) >= before + 20)
        await process.stop(signal.SIGKILL)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await process.start()
    async with process.client() as client:
        container = Sdk(client.raw.get_database_client("d").get_container_client("c"), is_async=True)
        stored = set(ids(await container.read_all_items()))
        assert answered <= stored
        assert {one[:-1] + "a" for one in stored} | {one[:-1] + "b" for one in stored} == stored
        feed = ids(await container.query_items_change_feed(start_time="Beginning"))
        assert sorted(feed) == sorted(stored)


async def test_server_goes_on_after_postgres_was_killed(tmp_path: Path) -> None:
    postgres = PostgresServer.start(tmp_path / "postgres", fsync=False)
    try:
        dsn = postgres.create_database(f"cosmos_{uuid.uuid4().hex[:12]}")
        async with CosmosServer.start(dsn) as server, connected("async", server.url, server.key) as client:
            container = await (await client.create_database("d")).create_container("c", key_path("/pk"))
            await container.create_item({"id": "before", "pk": "a"})
            assert postgres.process is not None
            postgres.process.kill()
            postgres.process.wait()
            again = await asyncio.to_thread(PostgresServer.start, postgres.folder, postgres.port, fsync=False)
            postgres.process = again.process

            async def written() -> bool:
                try:
                    await container.create_item({"id": "after", "pk": "a"})
                except CosmosResourceExistsError:
                    return True
                except (CosmosHttpResponseError, ServiceRequestError, ServiceResponseError):
                    return False
                return True

            await eventually(written)
            assert ids(await container.read_all_items()) == ["before", "after"]
    finally:
        postgres.stop()


async def test_own_postgres_comes_back_after_every_kill(tmp_path: Path) -> None:
    process = ServerProcess("--data", str(tmp_path))
    await process.start()
    try:
        async with process.client() as client:
            container = await (await client.create_database("d")).create_container("c", key_path("/pk"))
            await container.create_item({"id": "1", "pk": "a"})
        await process.stop(signal.SIGKILL)
        for part in working_in(tmp_path / "postgres" / "data", "postgres"):
            send(part, signal.SIGKILL)
        await process.start()
        async with process.client() as client:
            container = Sdk(client.raw.get_database_client("d").get_container_client("c"), is_async=True)
            assert ids(await container.read_all_items()) == ["1"]
        assert await process.stop(signal.SIGTERM) == 0
    finally:
        await process.stop(signal.SIGKILL)


async def test_second_server_on_one_database_is_refused(process: ServerProcess, dsn: str) -> None:
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.cosmos", "--database", dsn, "--port", "0"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(other.communicate(), 60)
    assert other.returncode == 1
    assert b"Another Cosmos DB emulator uses this database" in errors
