"""Hostile clients, no sockets, no database: `python -m emulators.tests.messaging.fuzz --cases 100000`.

Each case is a client of its own: a valid conversation up to some step, then damaged bytes, frames with wrong fields,
messages with wrong sections, or rules nobody should write. A case fails when the server logs an error, leaves a
receiver behind, or does not serve a valid client afterwards. A case is made of its seed and number alone, so
`--first 4711 --cases 1` repeats it.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import structlog
import typer
from structlog.testing import capture_logs

from emulators.messaging.broker import Broker
from emulators.messaging.connection import Connection
from emulators.messaging.entities import (
    Entities,
    EventHubConfig,
    QueueConfig,
    QueueProperties,
    SubscriptionConfig,
    TopicConfig,
)
from emulators.messaging.limits import Limits
from emulators.messaging.records import AfterCommit, ChangeSet
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.messaging.store import Created, LoadedQueue, Store
from emulators.tests.messaging.hostile import conversation, hostile

_CASES_A_SERVER = 200
_TURNS = 200
_ENTITIES = Entities(
    [QueueConfig(name="plain"), QueueConfig(name="lanes", properties=QueueProperties(requires_session=True))],
    [TopicConfig(name="topic", subscriptions=[SubscriptionConfig(name="sub")])],
    [EventHubConfig(name="hub", partition_count=2)],
)


class MemoryStore(Store):
    """Commits at once and remembers nothing."""

    def __init__(self) -> None:
        super().__init__("")
        self._ids = 0

    def write(self) -> ChangeSet:
        return ChangeSet()

    def after_commit(self, callback: AfterCommit) -> None:
        callback(None)

    async def load_created(self) -> list[Created]:
        return []

    async def load_queue(self, name: str) -> LoadedQueue:
        self._ids += 1
        return LoadedQueue(self._ids, 1, [], {}, {}, None, None, 0.0, 0.0)

    async def fetch(self, query: str, parameters: tuple[object, ...] | dict[str, object]) -> list[tuple[Any, ...]]:
        self._ids += 1
        return [(self._ids, 0, 0, 0, 0, 0)] if query == "declare_partition" else []


class Wire(asyncio.Transport):
    """The server's transport: what it writes is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


@dataclass
class Client:
    """One hostile client."""

    connection: Connection
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self) -> None:
        self.connection.connection_made(self.wire)

    async def say(self, data: bytes, answer: bytes = b"") -> bool:
        """Send in one piece; whether the answer came within some turns of the loop."""
        seen = len(self.wire.written)
        if not self.wire.closed:
            self.connection.data_received(data)
        for _ in range(_TURNS if answer else 3):
            await asyncio.sleep(0)
            if answer and answer in self.wire.written[seen:]:
                return True
        return not answer

    async def hang_up(self) -> None:
        self.connection.connection_lost(None)
        await asyncio.sleep(0)


# --- running --------------------------------------------------------------------------------------------------------


class NotWithstoodError(Exception):
    """A case that the server did not withstand; the message says which and how."""


@dataclass
class Bench:
    """One server in memory, and what it must never do."""

    server: MessagingServer
    faults: list[object]

    @classmethod
    async def make(cls) -> "Bench":
        broker = Broker(MemoryStore(), _ENTITIES, cache_bytes=64 << 20, max_messages=500)
        await broker.open()
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
        return cls(MessagingServer(broker, ServerSettings()), faults)

    def client(self) -> Client:
        return Client(Connection(self.server, Limits(), lambda _connection: None))

    async def run(self, chance: random.Random) -> None:
        steps = conversation(chance)
        depth = len(steps) - 1 if chance.random() < 0.7 else chance.randrange(len(steps))
        client = self.client()
        for data, answer in steps[:depth]:
            if not await client.say(data, answer):
                raise NotWithstoodError(f"a valid step was not answered: {bytes(client.wire.written[-300:])!r}")
        for data in hostile(chance, steps[depth][0]):
            await client.say(data)
        await client.hang_up()

    async def check(self, logs: list[Any]) -> None:
        """Raise NotWithstoodError for what the cases so far left behind."""
        errors = [entry for entry in logs if entry["log_level"] == "error"]
        if errors or self.faults:
            raise NotWithstoodError(f"the server failed: {errors or self.faults}")
        broker = self.server.broker
        queues = broker.entities()
        readers = [left for hub in broker.event_hubs.values() for one in hub.partitions for left in one.readers]
        if readers or any(queue.main.receivers or queue.dead_letters.receivers for queue in queues):
            raise NotWithstoodError("a receiver was left behind")

    async def serves(self) -> None:
        """Raise NotWithstoodError unless a valid client is served to the end."""
        client = self.client()
        for data, answer in conversation(random.Random(7)):
            if not await client.say(data, answer):
                raise NotWithstoodError("a valid client is not served any more")
        await client.hang_up()


async def run_cases(seed: int, first: int, count: int) -> None:
    """Run the cases numbered from `first`. Raises NotWithstoodError naming the case."""
    for start in range(first, first + count, _CASES_A_SERVER):
        bench = await Bench.make()
        with capture_logs() as logs:
            for number in range(start, min(start + _CASES_A_SERVER, first + count)):
                try:
                    await bench.run(random.Random(f"{seed}/{number}"))
                    await bench.check(logs)
                except NotWithstoodError as failure:
                    raise NotWithstoodError(f"case {number} of seed {seed}: {failure}") from failure
            await bench.serves()
        bench.server.broker.close()


def main(
    cases: Annotated[int, typer.Option(help="how many")] = 100_000,
    seed: Annotated[int, typer.Option(help="another seed, other cases")] = 20261122,
    first: Annotated[int, typer.Option(help="number of the first case, to repeat one")] = 0,
) -> None:
    """Run hostile clients until all are done or one is not withstood."""
    structlog.configure(processors=[])
    started = time.monotonic()
    try:
        asyncio.run(run_cases(seed, first, cases))
    except NotWithstoodError as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from failure
    seconds = time.monotonic() - started
    typer.echo(f"{cases} hostile clients withstood in {seconds:.0f} s ({cases / seconds:.0f}/s), seed {seed}")


if __name__ == "__main__":
    typer.run(main)
