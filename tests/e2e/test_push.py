"""Live updates as clients get them: the unmodified SignalR clients, orders that go on without it, nothing missed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from signalrcore.hub_connection_builder import HubConnectionBuilder
from standardwebhooks import Webhook
from websockets.asyncio.client import connect

from emulators.tests.signalr.javascript import JavaScriptClient, javascript_client
from emulators.tests.signalr.support import HANDSHAKE
from emulators.tests.signalr.support import Client as PlainClient
from tests.e2e.world import Broker, Client, eventually

pytestmark = pytest.mark.xdist_group("e2e")
Change = dict[str, Any]


def negotiated(client: Client, hub: str = "user") -> str:
    """A WebSocket address for one connection to the hub."""
    answer = client.http.post(f"/api/negotiate?hub={hub}", headers=client.headers())
    assert answer.status_code == 200, answer.text
    access = answer.json()
    return f"{access['url'].replace('http', 'ws', 1)}&access_token={access['accessToken']}"


@asynccontextmanager
async def plain_client(client: Client) -> AsyncIterator[PlainClient]:
    """The hub protocol over a bare WebSocket."""
    async with connect(await asyncio.to_thread(negotiated, client), compression=None, ping_interval=None) as websocket:
        await websocket.send(HANDSHAKE)
        opened = PlainClient(websocket)
        assert await opened.receive_any() == {}
        yield opened


class Stream:
    """What the guide asks of a client: order by sequence, drop what is known, count what is missing."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.changes: list[Change] = []
        self._early: dict[int, Change] = {}

    def take(self, changes: list[Change]) -> None:
        self._early |= {each["sequence"]: each for each in changes if each["sequence"] > self.last}
        while self.last + 1 in self._early:
            self.last += 1
            self.changes.append(self._early.pop(self.last))

    def catch_up(self, client: Client) -> None:
        while True:
            page = client.read("/notifications", after=self.last)
            self.take(page["items"])
            if self.last == page["stream_sequence"]:
                return

    def statuses(self, order_id: str) -> list[str]:
        orders = [each["payload"] for each in self.changes if each["kind"] == "order"]
        return [order["status"] for order in orders if order["order_id"] == order_id]


def position(client: Client) -> int:
    return int(client.get("/funds").headers["X-Stream-Sequence"])


async def followed(hub: JavaScriptClient, stream: Stream, order_id: str, status: str) -> None:
    while status not in stream.statuses(order_id):
        (changes,) = await hub.event("changes")
        stream.take(changes)


async def test_javascript_client_follows_an_order_to_its_fill(trader: Client, other: Client) -> None:
    stream = Stream(await asyncio.to_thread(position, trader))
    url = f"{trader.http.base_url}/api?hub=user".replace("//api", "/api")
    async with javascript_client(url, trader.token, "changes") as hub:
        await asyncio.to_thread(other.working, side="SELL")
        order_id = await asyncio.to_thread(trader.order)
        await followed(hub, stream, order_id, "FILLED")
        assert stream.statuses(order_id)[0] == "PENDING_NEW"
        trade = next(each["payload"] for each in stream.changes if each["kind"] == "trade")
        assert trade == (await asyncio.to_thread(trader.read, "/trades/me"))["items"][0]
        shown = await asyncio.to_thread(trader.get, f"/orders/{order_id}")
        stream.catch_up(trader)
        assert stream.last == int(shown.headers["X-Stream-Sequence"])
        assert [each["payload"] for each in stream.changes if each["kind"] == "order"][-1] == shown.json()


def test_python_client_gets_only_its_own_changes(trader: Client, other: Client) -> None:
    taken: list[Change] = []
    opened: list[bool] = []
    url = f"{trader.http.base_url}/api?hub=user".replace("//api", "/api")
    hub = HubConnectionBuilder().with_url(url, options={"access_token_factory": lambda: trader.token}).build()
    hub.on_open(lambda: opened.append(True))
    hub.on("changes", lambda arguments: taken.extend(arguments[0]))
    hub.start()
    try:
        eventually(lambda: opened, "the connection")
        other.order(side="SELL", price="1600.00")
        order_id = trader.order(price="1400.00")
        eventually(lambda: any(each["payload"].get("order_id") == order_id for each in taken), "the order's change")
        assert {each["payload"]["user_id"] for each in taken} == {trader.user_id}
    finally:
        hub.stop()


async def test_lost_last_message_shows_in_the_next_answer(trader: Client) -> None:
    stream = Stream(await asyncio.to_thread(position, trader))
    async with plain_client(trader) as hub:
        first = await asyncio.to_thread(trader.working, price="1400.00")
        while "NEW" not in stream.statuses(first):
            stream.take((await hub.receive())["arguments"][0])
    await asyncio.to_thread(trader.cancel, first)
    await asyncio.to_thread(trader.until, first, "CANCELED")
    assert await asyncio.to_thread(position, trader) > stream.last
    await asyncio.to_thread(stream.catch_up, trader)
    assert stream.statuses(first)[-1] == "CANCELED"
    assert stream.last == await asyncio.to_thread(position, trader)


@pytest.fixture
def without_signalr(traded: Broker) -> Iterator[Broker]:
    yield traded
    traded.sandbox.restart("signalr")


async def test_orders_go_on_while_signalr_is_killed(without_signalr: Broker, trader: Client, other: Client) -> None:
    broker, stream = without_signalr, Stream(await asyncio.to_thread(position, trader))
    url = f"{trader.http.base_url}/api?hub=user".replace("//api", "/api")
    async with javascript_client(url, trader.token, "changes") as hub:
        await asyncio.to_thread(broker.sandbox.kill, "signalr")
        await hub.event("reconnecting")
        await asyncio.to_thread(other.working, side="SELL")
        order_id = await asyncio.to_thread(trader.order)
        await asyncio.to_thread(trader.until, order_id, "FILLED", within_s=20)
        await hub.event("reconnected")
        await asyncio.to_thread(stream.catch_up, trader)
        assert stream.statuses(order_id)[-1] == "FILLED"
        after = await asyncio.to_thread(trader.order, price="1400.00")
        await followed(hub, stream, after, "NEW")


class Receiver(BaseHTTPRequestHandler):
    """Takes deliveries; refuses the first one of each change."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        taken = self.headers["webhook-id"] in self.server.refused
        self.server.refused.add(self.headers["webhook-id"])
        if taken:
            self.server.taken.append((body, dict(self.headers)))
        self.send_response(204 if taken else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def a_receiver() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.refused, server.taken = set(), []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhook_gets_each_change_signed_after_a_refusal(trader: Client) -> None:
    first = position(trader)
    with a_receiver() as receiver:
        address = f"/api/webhooks/{uuid4()}"
        url = f"http://127.0.0.1:{receiver.server_port}/changes"
        made = trader.http.put(address, json={"url": url}, headers=trader.headers())
        assert made.status_code == 200, made.text
        order_id = trader.working(price="1400.00")
        last = position(trader)
        eventually(lambda: len({headers["webhook-id"] for _, headers in receiver.taken}) >= last - first, "deliveries")
        secret = Webhook(made.json()["secret"])
        messages = [secret.verify(body, headers) for body, headers in receiver.taken]
        assert {message["sequence"] for message in messages} == set(range(first + 1, last + 1))
        stored = {item["sequence"]: item for item in trader.read("/notifications", after=first)["items"]}
        for message in messages:
            item = stored[message["sequence"]]
            assert (message["type"], message["data"], message["timestamp"]) == (
                item["kind"],
                item["payload"],
                item["at"],
            )
        assert trader.http.delete(address, headers=trader.headers()).status_code == 200
    assert trader.until(order_id, "NEW")


async def test_two_publishers_send_twice_and_harm_nothing(traded: Broker, trader: Client) -> None:
    stream, times = Stream(await asyncio.to_thread(position, trader)), dict[int, int]()
    async with plain_client(trader) as hub:
        order_id = await asyncio.to_thread(trader.working, price="1400.00")
        # What a publisher that died before its mark leaves, and the sweep finds.
        left = (
            "INSERT INTO effects_outbox (commit_id, created_at, users, sequences) SELECT gen_random_uuid(), "
            "created_at, ARRAY[user_id], ARRAY[sequence] FROM effects "
            "WHERE user_id = %s AND sequence > %s RETURNING 1"
        )
        await asyncio.to_thread(traded.ask, left, trader.user_id, stream.last)
        while len(times) < 2 or min(times.values()) < 2:
            for change in (await hub.receive())["arguments"][0]:
                times[change["sequence"]] = times.get(change["sequence"], 0) + 1
                stream.take([change])
        assert stream.statuses(order_id) == ["PENDING_NEW", "NEW"]
