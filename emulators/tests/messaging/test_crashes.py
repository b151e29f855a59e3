"""kill -9 of the server, and of PostgreSQL, between any two steps."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

from emulators.messaging.server import MessagingServer
from emulators.processes import processes
from emulators.processes.postgres import PostgresServer, free_port
from emulators.processes.processes import working_in
from emulators.tests.messaging.conftest import QUEUES
from emulators.tests.messaging.test_queues import receive, send


class ServerProcess:
    """The command line server on one port, killed and started at will."""

    def __init__(self, config: Path, *place: str) -> None:
        self.port = free_port()
        self._place = place
        self._config = config
        self._process: asyncio.subprocess.Process | None = None

    @property
    def connection_string(self) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName=RootManageSharedAccessKey;"
            "SharedAccessKey=secret;UseDevelopmentEmulator=true;"
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulators.messaging", "--config", str(self._config), "--port", str(self.port)),
            *self._place,
            env={**os.environ, "MESSAGING_SAS_KEY": "secret"},
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert line.startswith(b"messaging ready"), line

    async def stop(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    async def kill_and_start(self) -> None:
        await self.stop(signal.SIGKILL)
        await self.start()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ServiceBusClient]:
        async with ServiceBusClient.from_connection_string(self.connection_string) as client:
            yield client


@pytest.fixture
async def process(dsn: str, config_file: Path) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(config_file, "--database", dsn)
    await running.start()
    yield running
    await running.stop(signal.SIGKILL)


@pytest.mark.crash
async def test_acknowledged_sends_survive_a_killed_server(process: ServerProcess) -> None:
    async with process.client() as client:
        await send(client, "lanes", *(ServiceBusMessage(str(index), session_id="s") for index in range(50)))
    await process.kill_and_start()
    async with process.client() as client, client.get_queue_receiver("lanes", session_id="s") as receiver:
        messages = await receive(receiver, 50)
    assert [str(message) for message in messages] == [str(index) for index in range(50)]


@pytest.mark.crash
async def test_locked_message_comes_back_counted_after_a_kill(process: ServerProcess) -> None:
    async with process.client() as client:
        await send(client, "brisk", ServiceBusMessage("held"))
        async with client.get_queue_receiver("brisk") as receiver:
            await receive(receiver)
            await process.kill_and_start()
    async with process.client() as client, client.get_queue_receiver("brisk") as receiver:
        [again] = await receive(receiver)
        await receiver.complete_message(again)
    assert (str(again), again.delivery_count) == ("held", 1)


@pytest.mark.crash
async def test_lock_survives_the_server_that_gave_it(process: ServerProcess) -> None:
    async with process.client() as client:
        await send(client, "plain", ServiceBusMessage("held"))
        async with client.get_queue_receiver("plain") as receiver:
            [message] = await receive(receiver)
            await process.kill_and_start()
            # The link is gone, so the SDK settles by lock token over a management link.
            await receiver.complete_message(message)
    async with process.client() as client, client.get_queue_receiver("plain") as receiver:
        assert await receiver.peek_messages() == []


@pytest.mark.crash
async def test_completed_message_stays_away_after_a_kill(process: ServerProcess) -> None:
    async with process.client() as client:
        await send(client, "plain", ServiceBusMessage("done"), ServiceBusMessage("left"))
        async with client.get_queue_receiver("plain") as receiver:
            receiver._await_settlement_outcome = True
            [message] = await receive(receiver)
            await receiver.complete_message(message)
    await process.kill_and_start()
    async with process.client() as client, client.get_queue_receiver("plain") as receiver:
        assert [str(message) for message in await receiver.peek_messages(max_message_count=5)] == ["left"]
        await send(client, "plain", ServiceBusMessage("next"))
        assert [message.sequence_number for message in await receiver.peek_messages(5, sequence_number=1)] == [2, 3]


@pytest.mark.crash
async def test_duplicates_are_known_after_a_kill(process: ServerProcess) -> None:
    async with process.client() as client:
        await send(client, "unique", ServiceBusMessage("once", message_id="same"))
    await process.kill_and_start()
    async with process.client() as client:
        await send(client, "unique", ServiceBusMessage("once", message_id="same"))
        async with client.get_queue_receiver("unique") as receiver:
            assert len(await receiver.peek_messages(max_message_count=5)) == 1


@pytest.mark.crash
async def test_terminated_server_drains_and_ends_cleanly(process: ServerProcess) -> None:
    async with process.client() as client:
        await send(client, "plain", ServiceBusMessage("kept"))
    assert await process.stop(signal.SIGTERM) == 0


@pytest.mark.crash
async def test_server_goes_on_after_postgres_was_killed(tmp_path: Path) -> None:
    postgres = PostgresServer.start(tmp_path / "postgres", fsync=False)
    try:
        dsn = postgres.create_database(f"messaging_{uuid.uuid4().hex[:12]}")
        async with MessagingServer.start(dsn, QUEUES) as server:
            string = server.connection_string
            async with ServiceBusClient.from_connection_string(string, retry_total=0) as client:
                await send(client, "plain", ServiceBusMessage("before"))
                _kill_tree(postgres)
                sending = asyncio.create_task(send(client, "plain", ServiceBusMessage("during")))
                again = await asyncio.to_thread(PostgresServer.start, postgres.folder, postgres.port, fsync=False)
                postgres.process = again.process
                await asyncio.wait_for(sending, 20)
                async with client.get_queue_receiver("plain") as receiver:
                    messages = await receive(receiver, 2)
                    for message in messages:
                        await receiver.complete_message(message)
                assert [str(message) for message in messages] == ["before", "during"]
    finally:
        postgres.stop()


@pytest.mark.crash
async def test_sends_are_refused_as_busy_while_postgres_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulators.messaging.store._PATIENCE_S", 0.5)
    postgres = PostgresServer.start(tmp_path / "postgres", fsync=False)
    try:
        dsn = postgres.create_database("messaging")
        async with (
            MessagingServer.start(dsn, QUEUES) as server,
            ServiceBusClient.from_connection_string(server.connection_string, retry_total=0) as client,
        ):
            _kill_tree(postgres)
            for _ in range(2):
                with pytest.raises(ServiceBusError, match="server-busy"):
                    await send(client, "plain", ServiceBusMessage("x"))
    finally:
        postgres.stop()


@pytest.mark.crash
async def test_own_postgres_comes_back_after_every_kill(tmp_path: Path, config_file: Path) -> None:
    process = ServerProcess(config_file, "--data", str(tmp_path))
    await process.start()
    try:
        async with process.client() as client:
            await send(client, "plain", ServiceBusMessage("first"))
            for part in working_in(tmp_path / "postgres" / "data", "postgres"):
                processes.send(part, signal.SIGKILL)
            await send(client, "plain", ServiceBusMessage("second"))
        await process.kill_and_start()
        async with process.client() as client, client.get_queue_receiver("plain") as receiver:
            assert sorted(map(str, await receive(receiver, 2))) == ["first", "second"]
    finally:
        await process.stop(signal.SIGTERM)


def _kill_tree(postgres: PostgresServer) -> None:
    assert postgres.process is not None
    postgres.process.kill()
    postgres.process.wait()


async def test_second_server_on_one_database_is_refused(server: MessagingServer, dsn: str, config_file: Path) -> None:
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.messaging", "--database", dsn, "--config", str(config_file), "--port", "0"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(other.communicate(), 60)
    assert other.returncode == 1
    assert b"Another messaging server uses this database" in errors
    assert server.port


@pytest.mark.crash
async def test_every_acknowledged_message_outlives_random_kills(process: ServerProcess, dsn: str) -> None:
    acknowledged: set[str] = set()

    async def produce(round_number: int) -> None:
        async with process.client() as client, client.get_queue_sender("plain") as sender:
            for index in range(1000):
                name = f"{round_number}-{index}"
                await sender.send_messages(ServiceBusMessage(name, message_id=name))
                acknowledged.add(name)

    for round_number in range(3):
        producing = asyncio.create_task(produce(round_number))
        before = len(acknowledged)
        while len(acknowledged) < before + 20 * (round_number + 1):
            await asyncio.wait({producing}, timeout=0.01)
        await process.stop(signal.SIGKILL)
        producing.cancel()
        await asyncio.gather(producing, return_exceptions=True)
        await process.start()
    with psycopg.connect(dsn) as connection:
        stored = {row[0] for row in connection.execute("SELECT message_id FROM message")}
    assert acknowledged <= stored
