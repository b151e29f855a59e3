"""`Exchange`: every message arrives in its lane as it was, in order."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from azure.servicebus._pyamqp.aio._client_async import AMQPClientAsync
from azure.servicebus.aio import ServiceBusClient

from emulators.messaging.entities import QueueConfig, QueueProperties
from emulators.messaging.server import MessagingServer
from emulators.processes.postgres import PostgresServer
from shared.adapters.service_bus.connection import BusConnection
from shared.adapters.service_bus.exchange import QUEUE, ServiceBusExchange
from shared.domain.errors import UnavailableError
from shared.ports.outbox import Exchange, ExchangeMessage
from tests.fakes.outbox import RecordingExchange

type Arrived = dict[str, list[tuple[UUID, str]]]


@dataclass(frozen=True)
class Lanes:
    """An exchange, and what has arrived in these lanes."""

    exchange: Exchange
    arrived: Callable[[dict[str, int]], Awaitable[Arrived]]


@pytest.fixture
async def memory_lanes() -> Lanes:
    exchange = RecordingExchange()

    async def arrived(counts: dict[str, int]) -> Arrived:
        lanes: Arrived = defaultdict(list)
        for message in exchange.sent:
            lanes[message.lane].append((message.message_id, message.body))
        return dict(lanes)

    return Lanes(exchange, arrived)


@pytest.fixture
async def bus_lanes(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lanes]:
    async def no_pings(_client: AMQPClientAsync) -> None:
        """Closing an SDK handler waits up to a second for its idle ping loop."""

    monkeypatch.setattr(AMQPClientAsync, "_keep_alive_async", no_pings)
    dsn = postgres_server.create_database(f"messaging_{uuid4().hex}")
    queues = [QueueConfig(name=QUEUE, properties=QueueProperties(requires_session=True))]
    async with MessagingServer.start(dsn, queues) as server:
        exchange = ServiceBusExchange(BusConnection(server.connection_string))

        async def arrived(counts: dict[str, int]) -> Arrived:
            lanes: Arrived = {}
            async with ServiceBusClient.from_connection_string(server.connection_string) as client:
                for lane, count in counts.items():
                    async with client.get_queue_receiver(QUEUE, session_id=lane, prefetch_count=0) as receiver:
                        found = await receiver.receive_messages(max_message_count=count, max_wait_time=5)
                        lanes[lane] = [(UUID(each.message_id), str(each)) for each in found]
            return lanes

        yield Lanes(exchange, arrived)
        await exchange.close()


@pytest.fixture(params=["memory", "bus"])
def lanes(request: pytest.FixtureRequest) -> Lanes:
    return request.getfixturevalue(f"{request.param}_lanes")


async def test_messages_arrive_in_their_lanes_in_order(lanes: Lanes) -> None:
    messages = [ExchangeMessage(uuid4(), f"{number % 3:02}", f'{{"number": {number}}}') for number in range(9)]
    await lanes.exchange.send([])
    await lanes.exchange.send(messages[:1])
    await lanes.exchange.send(messages[1:])
    expected = {
        lane: [(each.message_id, each.body) for each in messages if each.lane == lane] for lane in ("00", "01", "02")
    }
    assert await lanes.arrived(dict.fromkeys(expected, 3)) == expected


@pytest.mark.parametrize("implementation", ["memory", "bus"])
async def test_bus_that_is_away_is_unavailable(implementation: str) -> None:
    away = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=k;SharedAccessKey=a2V5;UseDevelopmentEmulator=true;"
    exchange: Exchange = (
        RecordingExchange(open=False) if implementation == "memory" else ServiceBusExchange(BusConnection(away))
    )
    with pytest.raises(UnavailableError):
        await exchange.send([ExchangeMessage(uuid4(), "00", "{}")])
