"""Market data from the exchange's book to subscribed clients, and what is left of it when parts are killed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulators.tests.signalr.javascript import JavaScriptClient, javascript_client
from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.world import Broker, Client
from tests.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.xdist_group("e2e-market")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A sandbox whose exchange trades by itself and whose feed runs."""
    with Sandbox.start(tmp_path_factory.mktemp("market") / "data", SandboxOptions(feed=True)) as sandbox:
        yield Broker.of(sandbox)


def address(client: Client) -> str:
    return f"{client.http.base_url}/api?hub=market".replace("//api", "/api")


def call(client: Client, method: str, **body: Any) -> httpx.Response:
    return client.http.request(method, "/api/marketdata/subscriptions", json=body, headers=client.headers())


async def subscribe(client: Client, connection_id: str, **wanted: Any) -> httpx.Response:
    return await asyncio.to_thread(call, client, "PUT", connection_id=connection_id, **wanted)


async def connection_of(hub: JavaScriptClient) -> str:
    hub.order("id")
    return str(await hub.event("id"))


async def quotes_of(hub: JavaScriptClient, mode: str) -> Json:
    """The next message of that mode."""
    while True:
        (message,) = await hub.event("quotes")
        if message["mode"] == mode:
            return dict(message)


async def test_subscribed_client_gets_pages_and_lists_until_it_leaves(market: Broker) -> None:
    alice, bob = market.client("alice"), market.client("bob")
    async with javascript_client(address(alice), alice.token, "quotes,status", "messagepack") as hub:
        connection = await connection_of(hub)
        assert (await subscribe(bob, connection, shards=["s000"])).status_code == 404
        wanted = {"instruments": ["NSE:INFY"], "shards": ["s000", "s001"]}
        answer = await subscribe(alice, connection, **wanted)
        assert (answer.status_code, answer.json() | wanted) == (200, answer.json())
        page = await quotes_of(hub, "full")
        (quote,) = page["quotes"]
        assert (quote["instrument_id"], len(quote["bids"]) <= 5) == ("NSE:INFY", True)
        listed = await quotes_of(hub, "list")
        assert set(listed["quotes"][0]) == {"instrument_id", "sequence", "last_price", "volume"}
        (status,) = await hub.event("status")
        assert status["stale"] is False
        read = await asyncio.to_thread(alice.read, "/marketdata/quotes", instruments="NSE:INFY", mode="full")
        assert (read["items"][0]["epoch"], read["items"][0]["sequence"]) >= (page["epoch"], quote["sequence"])


async def test_client_subscribes_again_after_signalr_was_killed(market: Broker) -> None:
    alice = market.client("alice")
    async with javascript_client(address(alice), alice.token, "quotes,status") as hub:
        first = await connection_of(hub)
        await subscribe(alice, first, shards=["s000"])
        await quotes_of(hub, "list")
        await asyncio.to_thread(market.sandbox.restart, "signalr")
        second = await hub.event("reconnected")
        assert second != first
        answer = await eventually(lambda: _subscribed(alice, str(second)), PATIENCE_S, 0.5)
        assert answer.json()["shards"] == ["s000"]
        await quotes_of(hub, "list")
        assert (await subscribe(alice, first, instruments=["NSE:INFY"])).status_code == 404


async def _subscribed(client: Client, connection_id: str) -> httpx.Response | None:
    """The app takes a moment to notice that the service is back."""
    answer = await subscribe(client, connection_id, shards=["s000"])
    return answer if answer.status_code == 200 else None


async def test_mute_feed_is_pushed_as_stale_once_and_heals(market: Broker) -> None:
    alice = market.client("alice")
    async with javascript_client(address(alice), alice.token, "quotes,status") as hub:
        connection = await connection_of(hub)
        await subscribe(alice, connection, instruments=["NSE:INFY"])
        await hub.event("status")
        feed = market.sandbox.feed_admin_url
        await asyncio.to_thread(httpx.post, f"{feed}/faults", json={"mute": True}, timeout=10)
        try:
            await eventually(lambda: _seen_stale(alice), PATIENCE_S, 0.5)
            while not await _stale(hub):
                """What was sent before the silence."""
        finally:
            await asyncio.to_thread(httpx.post, f"{feed}/faults", json={}, timeout=10)
        assert not await _stale(hub)


async def _stale(hub: JavaScriptClient) -> bool:
    """What the next status says."""
    (status,) = await hub.event("status")
    return bool(status["stale"])


async def _seen_stale(client: Client) -> bool:
    """Some reader must see it: no loop runs in the app."""
    read = await asyncio.to_thread(client.read, "/marketdata/quotes", instruments="NSE:INFY")
    return bool(read["items"][0]["stale"])
