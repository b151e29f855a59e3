"""The real processes: exchange, messaging emulator, PostgreSQL, and the SDK as the broker uses it."""

import asyncio
import os
import signal
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from emulators.processes.postgres import PostgresServer
from simulators.exchange.store import migrate
from simulators.market_feed.frames import Update, decode_update
from tests.exchange.processes import Process, connection_string, quiet_port, start_exchange, start_messaging
from tests.exchange.support import MemoryBus, about, new, of, running, types
from tests.support.waiting import eventually


@dataclass
class Broker:
    """The broker's end of both queues."""

    client: ServiceBusClient
    sender: ServiceBusSender
    receiver: ServiceBusReceiver

    async def send(self, *entries: dict[str, Any]) -> None:
        """One message a lane, in the order of the entries."""
        lanes: dict[str, list[dict[str, Any]]] = {}
        for entry in entries:
            lanes.setdefault(lane(entry["instrument_id"]), []).append(entry)
        for session, requests in lanes.items():
            body = orjson.dumps({"version": 1, "requests": requests})
            await self.sender.send_messages(ServiceBusMessage(body, session_id=session))

    async def reports(self, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Reports until there are enough."""
        found: list[dict[str, Any]] = []
        while not enough(found):
            messages = await self.receiver.receive_messages(max_message_count=1, max_wait_time=30)
            assert messages, f"no more reports after {types(found)}"
            for message in messages:
                found += orjson.loads(b"".join(message.body))["reports"]
                await self.receiver.complete_message(message)
        return found


def lane(instrument_id: str) -> str:
    return f"{zlib.crc32(instrument_id.encode()) % 64:02d}"


@dataclass
class World:
    """Ports and databases of one test."""

    folder: Path
    messaging: Process
    messaging_dsn: str
    exchange_dsn: str
    port: int

    def exchange(self, *options: str) -> Process:
        return start_exchange(self.folder, self.exchange_dsn, self.port, *options)

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        async with (
            ServiceBusClient.from_connection_string(connection_string(self.port)) as client,
            client.get_queue_sender("exchange-requests") as sender,
            client.get_queue_receiver("execution-reports", prefetch_count=50) as receiver,
        ):
            yield Broker(client, sender, receiver)


@pytest.fixture
def world(postgres_server: PostgresServer, make_database: Callable[[], str], tmp_path: Path) -> Iterator[World]:
    port = quiet_port()
    dsn = postgres_server.create_database(f"messaging_{port}")
    world = World(tmp_path, start_messaging(tmp_path, dsn, port), dsn, make_database(), port)
    yield world
    world.messaging.kill()


@pytest.fixture
def database_server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server of the test's own, to be killed."""
    server = PostgresServer.start(tmp_path / "own")
    yield server
    server.stop()


async def test_order_fills_against_makers_over_the_bus(world: World) -> None:
    exchange = world.exchange("--seed", "7")
    async with world.broker() as broker:
        order = new(price="1510.00")
        await broker.send(order)
        reports = await broker.reports(lambda found: "TRADE" in types(found))
        assert types(reports) == ["NEW", "TRADE"]
        assert reports[1]["order_status"] == "FILLED"
        admin = exchange.ready_line.split()[-1]
        async with httpx.AsyncClient(base_url=admin) as http:
            executions = (await http.get("/executions", params={"trade_date": reports[1]["trade_date"]})).json()
        assert executions["executions"] == reports[1:]
    assert exchange.terminate() == 0


async def test_body_without_requests_lands_in_dead_letter_queue(world: World) -> None:
    exchange = world.exchange("--no-makers")
    async with world.broker() as broker:
        await broker.sender.send_messages(ServiceBusMessage(b"hello", session_id="05"))
        order = new()
        await broker.send(order)
        await broker.reports(lambda found: bool(of(found, order)))
        dead = broker.client.get_queue_receiver(
            "exchange-requests", sub_queue=ServiceBusSubQueue.DEAD_LETTER, max_wait_time=20
        )
        async with dead:
            [message] = await dead.receive_messages(max_message_count=1)
            assert message.dead_letter_reason == "MALFORMED"
    exchange.kill()


@pytest.mark.crash
async def test_kill_between_journal_and_send_changes_no_report(world: World) -> None:
    exchange = world.exchange("--no-makers")
    async with world.broker() as broker:
        async with httpx.AsyncClient(base_url=exchange.ready_line.split()[-1]) as http:
            await http.post("/faults", json={"silent": True})
            orders = [new(side=side) for side in ("BUY", "SELL", "BUY")]
            await broker.send(*orders)
            archived = [
                await archived_reports(http, order, atleast) for order, atleast in zip(orders, (2, 2, 1), strict=True)
            ]
        exchange.kill()
        exchange = world.exchange("--no-makers")
        reports = await broker.reports(lambda found: len(found) >= 5)
        for order, expected in zip(orders, archived, strict=True):
            assert of(reports, order) == expected
        await broker.send(about(orders[0], "STATUS"))
        [status] = await broker.reports(bool)
        assert (status["order_status"], status["last_sequence"]) == ("FILLED", 2)
    exchange.kill()


async def archived_reports(http: httpx.AsyncClient, order: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The order's reports as the venue keeps them, once there are as many."""
    for _ in range(2000):
        answer = await http.get(f"/orders/{order['order_id']}")
        if answer.status_code == 200 and len(answer.json()["reports"]) >= count:
            return list(answer.json()["reports"])
    raise AssertionError(f"the venue never made {count} reports")


@pytest.mark.crash
async def test_random_kills_answer_every_order_once(world: World) -> None:
    exchange = world.exchange("--no-makers")
    orders: list[dict[str, Any]] = []
    position, newest = 0, dict[str, int]()
    async with world.broker() as broker:
        for _ in range(3):
            batch = [new(instrument_id="NSE:INFY", side=("BUY", "SELL")[n % 2]) for n in range(50)]
            for order in batch:
                await broker.send(order)
            orders += batch
            position = await note_changes(exchange, position, newest)
            os.kill(exchange.pid, signal.SIGKILL)
            exchange.kill()
            exchange = world.exchange("--no-makers")
        ids = {order["order_id"] for order in orders}
        reports = await broker.reports(lambda found: {r["order_id"] for r in found if filled(r)} == ids)
        by_id = {report["exec_id"]: report for report in reports}
        assert all(by_id[report["exec_id"]] == report for report in reports)
        trades = [report for report in by_id.values() if report["exec_type"] == "TRADE"]
        assert sum(r["last_quantity"] for r in trades if r["side"] == "BUY") == 75 * 10
        assert sum(r["last_quantity"] for r in trades if r["side"] == "SELL") == 75 * 10
        await note_changes(exchange, position, newest)
        assert newest == {
            order_id: max(r["report_sequence"] for r in of(reports, {"order_id": order_id})) for order_id in ids
        }
    exchange.kill()


async def note_changes(exchange: Process, position: int, newest: dict[str, int]) -> int:
    """Add the newest report numbers since the position of INFY's lane; returns the new position, never a lower one."""
    async with httpx.AsyncClient(base_url=exchange.ready_line.split()[-1]) as http:
        answer = (await http.get("/changes", params={"after": f"{lane('NSE:INFY')}:{position}"})).json()
    for order in answer["orders"]:
        assert order["last_sequence"] >= newest.get(order["order_id"], 0)
        newest[order["order_id"]] = order["last_sequence"]
    (reached,) = answer["positions"].values()
    assert reached >= position
    return int(reached)


def filled(report: dict[str, Any]) -> bool:
    return bool(report["order_status"] == "FILLED")


@pytest.mark.crash
async def test_bus_killed_and_back_loses_no_report(world: World) -> None:
    exchange = world.exchange("--no-makers")
    first, second = new(), new(side="SELL")
    async with world.broker() as broker:
        await broker.send(first)
        await broker.reports(lambda found: bool(of(found, first)))
    async with httpx.AsyncClient(base_url=exchange.ready_line.split()[-1]) as http:
        await http.post("/faults", json={"silent": True})
        async with world.broker() as broker:
            await broker.send(second)
            await archived_reports(http, second, 2)
        world.messaging.kill()
        await http.post("/faults", json={})
        world.messaging = start_messaging(world.folder, world.messaging_dsn, world.port)
        async with world.broker() as broker:
            reports = await broker.reports(lambda found: len({r["exec_id"] for r in found}) >= 3)
            assert sorted(set(types(reports))) == ["NEW", "TRADE"]
            await broker.send(about(first, "STATUS"))
            [status] = await broker.reports(bool)
            assert status["order_status"] == "FILLED"
    exchange.kill()


@pytest.mark.crash
async def test_postgres_killed_and_back_changes_nothing(database_server: PostgresServer) -> None:
    bus, resting, taker = MemoryBus(), new(), new(side="SELL", quantity=4)
    dsn = database_server.create_database("exchange")
    migrate(dsn)
    async with running(dsn, bus=bus) as venue:
        await venue.ask(resting)
        assert database_server.process is not None
        database_server.process.kill()
        database_server.process.wait()
        delivery = asyncio.create_task(venue.deliver({"version": 1, "requests": [taker]}))
        database_server.process = PostgresServer.start(database_server.folder, database_server.port).process
        await delivery
        reports = await venue.sent()
        assert [(r["exec_type"], r["cum_quantity"]) for r in reports] == [("NEW", 0), ("TRADE", 4), ("TRADE", 4)]


@pytest.mark.crash
async def test_killed_exchange_resends_what_it_traded(world: World) -> None:
    for number, epoch in enumerate((2, 3), 1):
        exchange = world.exchange("--no-makers")
        async with (
            world.broker() as broker,
            httpx.AsyncClient(base_url=exchange.ready_line.split()[-1], timeout=30) as http,
            http.stream("POST", "/feed/stream") as stream,
        ):
            lines = stream.aiter_lines()
            keyframe = await until(lines, lambda update: update.keyframe)
            assert keyframe.epoch == epoch
            await broker.send(*(new(side=side) for side in ("BUY", "SELL") * 20))
            await until(lines, lambda update: any(window.traded for window in update.windows))
            os.kill(exchange.pid, signal.SIGKILL)
        exchange.kill()
        exchange = world.exchange("--no-makers")
        async with httpx.AsyncClient(base_url=exchange.ready_line.split()[-1]) as http:
            # What the bus still has is traded after the start, in the epoch that goes on.
            await eventually(partial(traded, http, epoch, 200))
            executions = (await http.get("/executions")).json()["executions"]
            assert sum(report["last_quantity"] for report in executions) == 2 * 200 * number
        exchange.kill()


async def traded(http: httpx.AsyncClient, epoch: int, quantity: int) -> bool:
    """Whether this much is in the resend of the epoch; more would be wrong."""
    trades = (await http.get("/feed/NSE:INFY/trades", params={"epoch": epoch})).json()["trades"]
    sequences = [trade["sequence"] for trade in trades]
    assert sequences == sorted(set(sequences))
    found = sum(trade["quantity"] for trade in trades)
    assert found <= quantity
    return bool(found == quantity)


async def until(lines: AsyncIterator[str], wanted: Callable[[Update], bool]) -> Update:
    """The first update that is wanted."""
    async for line in lines:
        if wanted(update := decode_update(line.encode())):
            return update
    raise AssertionError("the stream ended")
