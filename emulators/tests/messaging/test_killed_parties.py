"""Producer, consumers, broker and PostgreSQL killed in random order, under load and in the middle of anything.

MESSAGING_KILL_ROUNDS says how often each of them dies; the seed is in the test's name.
"""

import asyncio
import json
import os
import random
import signal
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from emulators.processes.postgres import PostgresServer
from emulators.tests.messaging.test_crashes import ServerProcess
from emulators.tests.support.waiting import eventually

_ROUNDS = int(os.environ.get("MESSAGING_KILL_ROUNDS", "1"))
_SESSIONS = 4
_PATIENCE_S = 90.0
_CONFIG = {
    "UserConfig": {
        "Namespaces": [
            {
                "Queues": [
                    {"Name": "entry", "Properties": {"RequiresDuplicateDetection": True, "ForwardTo": "lanes"}},
                    {
                        "Name": "lanes",
                        "Properties": {"RequiresSession": True, "MaxDeliveryCount": 2000, "LockDuration": "PT30S"},
                    },
                ]
            }
        ]
    }
}


@dataclass
class Journal:
    """What both ends know for sure, by session; `deliveries` are (number, sequence number) as they came."""

    acknowledged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    completed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deliveries: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def done(self) -> bool:
        """Everything that was acknowledged was completed, whether or not the consumer got the answer."""
        return all(self.seen(session) >= count for session, count in self.acknowledged.items())

    def seen(self, session: str) -> int:
        return max((number for number, _ in self.deliveries[session]), default=-1) + 1

    @property
    def progress(self) -> tuple[int, int]:
        return sum(self.acknowledged.values()), sum(self.completed.values())


class Parties:
    """Everything that runs, and ways to kill it."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._postgres = PostgresServer.start(folder, fsync=False)
        dsn = self._postgres.create_database(f"messaging_{uuid.uuid4().hex[:12]}")
        self.broker = ServerProcess(config, "--database", dsn)
        self.journal = Journal()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        await self.broker.start()
        for name in ("producer", "first consumer", "second consumer"):
            self._begin(name)

    async def stop(self) -> None:
        for name in list(self._tasks):
            await self.end(name)
        await self.broker.stop(signal.SIGKILL)
        self._postgres.stop()

    def _begin(self, name: str) -> None:
        run = self._produce if name == "producer" else self._consume
        self._tasks[name] = asyncio.create_task(self._for_ever(run), name=name)

    async def end(self, name: str) -> None:
        """As a kill: whatever it had begun stays as it is."""
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    async def kill(self, name: str) -> None:
        if name == "broker":
            await self.broker.kill_and_start()
        elif name == "postgres":
            assert self._postgres.process is not None
            self._postgres.process.kill()
            await asyncio.to_thread(self._postgres.process.wait)
            again = await asyncio.to_thread(
                PostgresServer.start, self._postgres.folder, self._postgres.port, fsync=False
            )
            self._postgres.process = again.process
        else:
            await self.end(name)
            self._begin(name)

    async def _for_ever(self, run: Callable[[ServiceBusClient], Coroutine[Any, Any, None]]) -> None:
        while True:
            await eventually(self._listens, _PATIENCE_S)
            with suppress(AzureError, OSError):
                async with ServiceBusClient.from_connection_string(
                    self.broker.connection_string, retry_total=0
                ) as client:
                    await run(client)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.broker.port)
        except OSError:
            return False
        writer.close()
        return True

    async def _produce(self, client: ServiceBusClient) -> None:
        """One message after the other; what was not acknowledged is sent again."""
        acknowledged = self.journal.acknowledged
        async with client.get_queue_sender("entry") as sender:
            while True:
                for session in (f"s{number}" for number in range(_SESSIONS)):
                    name = f"{session}-{acknowledged[session]}"
                    await sender.send_messages(ServiceBusMessage(name, message_id=name, session_id=session))
                    acknowledged[session] += 1

    async def _consume(self, client: ServiceBusClient) -> None:
        async with client.get_queue_receiver("lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5) as receiver:
            receiver._await_settlement_outcome = True
            for _ in range(5):
                for message in await receiver.receive_messages(max_message_count=1, max_wait_time=1):
                    session, number = str(message).split("-")
                    assert message.sequence_number is not None
                    self.journal.deliveries[session].append((int(number), message.sequence_number))
                    await receiver.complete_message(message)
                    self.journal.completed[session] = int(number) + 1


@pytest.fixture
async def parties(tmp_path: Path) -> AsyncIterator[Parties]:
    config = tmp_path / "Config.json"
    config.write_text(json.dumps(_CONFIG))
    running = await asyncio.to_thread(Parties, tmp_path / "postgres", config)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


def _check_order(deliveries: list[tuple[int, int]]) -> None:
    """In order, again only what came last, and each message under one sequence number: no duplicate was taken in."""
    reached = -1
    for number, _ in deliveries:
        assert number in (reached, reached + 1), deliveries
        reached = number
    sequences = dict(deliveries)
    assert len(sequences) == len(set(deliveries)) == len(set(sequences.values())), deliveries


@pytest.mark.crash
@pytest.mark.parametrize("seed", [20261122])
async def test_acknowledged_messages_arrive_in_order_whoever_dies(parties: Parties, seed: int) -> None:
    chance = random.Random(seed)
    victims = ["broker", "postgres", "producer", "first consumer", "second consumer", "broker"] * _ROUNDS
    chance.shuffle(victims)
    for victim in victims:
        sent, completed = parties.journal.progress
        more = chance.randint(5, 25)
        await eventually(
            lambda sent=sent, completed=completed, more=more: (
                parties.journal.progress[0] >= sent + more and parties.journal.progress[1] >= completed + 3
            ),
            _PATIENCE_S,
        )
        await parties.kill(victim)
    await parties.end("producer")
    await eventually(lambda: parties.journal.done, _PATIENCE_S)
    for session in parties.journal.acknowledged:
        _check_order(parties.journal.deliveries[session])
