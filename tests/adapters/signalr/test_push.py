"""Pushing through the emulated service: who is sent what, and what happens while the service or Redis is away."""

import socket
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from redis.asyncio import Redis

from emulators.tests.signalr.support import Client, Service
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.redis.client import connect
from shared.adapters.redis.presence import RedisPresence
from shared.adapters.signalr.credentials import Identity
from shared.adapters.signalr.push import SignalRPush
from shared.adapters.signalr.service import ServiceAddress, SignalRService
from shared.domain.errors import UnavailableError
from shared.domain.push import Hub
from shared.ports.outbox import PublishedEffect
from tests.adapters.signalr.support import at
from tests.adapters.signalr.support import connected as hub_client
from tests.fakes.wakeups import MemoryWakeups


@pytest.fixture
async def push(signalr: Service, redis: Redis) -> AsyncIterator[SignalRPush]:
    service = at(signalr.url)
    yield SignalRPush(service, RedisPresence(redis))
    await service.close()


def effects(user: UUID, *sequences: int) -> list[PublishedEffect]:
    return [PublishedEffect(user, number, "order", {"n": number}) for number in sequences]


async def connected(push: SignalRPush, user: UUID) -> Client:
    """A client of the user, whose arrival is noted."""
    await push.admit(Hub.USER, user, ["trader"])
    return await hub_client(push._service, Hub.USER, user)


async def test_each_client_gets_its_own_users_changes_in_order(push: SignalRPush) -> None:
    alice, bob = uuid4(), uuid4()
    hers, also_hers, his = await connected(push, alice), await connected(push, alice), await connected(push, bob)
    await push.publish([*effects(bob, 8), *effects(alice, 5, 4)])
    for client in (hers, also_hers):
        message = await client.receive()
        assert message["target"] == "changes"
        assert message["arguments"] == [[{"sequence": n, "kind": "order", "payload": {"n": n}} for n in (4, 5)]]
    assert [each["sequence"] for each in (await his.receive())["arguments"][0]] == [8]
    await push.publish(effects(alice, *range(6, 256)))
    assert [len((await hers.receive())["arguments"][0]) for _ in range(3)] == [100, 100, 50]


async def test_nothing_is_sent_to_users_without_clients(push: SignalRPush, signalr: Service) -> None:
    asked: list[str] = []
    serve = signalr.server.config.app

    async def counted(scope, receive, send):  # type: ignore[no-untyped-def]
        asked.append(f"{scope.get('method')} {scope['path']}")
        await serve(scope, receive, send)

    signalr.server.config.loaded_app = counted
    absent = uuid4()
    for number in range(1, 4):
        await push.publish(effects(absent, number))
    assert asked == [f"HEAD /api/hubs/user/users/{absent}"]
    client = await connected(push, absent)
    await push.publish(effects(absent, 4))
    assert [each["sequence"] for each in (await client.receive())["arguments"][0]] == [4]


async def test_clients_are_found_again_after_redis_forgot_them(push: SignalRPush, redis: Redis) -> None:
    alice = uuid4()
    client = await connected(push, alice)
    await redis.delete(f"clients:{alice}")
    await push.publish(effects(alice, 1))
    assert [each["sequence"] for each in (await client.receive())["arguments"][0]] == [1]


async def test_clients_are_served_while_redis_is_away(signalr: Service) -> None:
    client, service = connect("redis://127.0.0.1:9/0"), at(signalr.url)
    push, alice = SignalRPush(service, RedisPresence(client)), uuid4()
    hers = await connected(push, alice)
    await push.audience(MemoryWakeups(away=True)).publish(effects(alice, 1))
    assert [each["sequence"] for each in (await hers.receive())["arguments"][0]] == [1]
    await service.close()
    await client.aclose()


async def test_silent_service_costs_one_bounded_wait(redis: Redis) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        service = at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        push, started = SignalRPush(service, RedisPresence(redis)), time.monotonic()
        for number in range(50):
            with pytest.raises(UnavailableError):
                await push.publish(effects(uuid4(), number))
        assert time.monotonic() - started < 4
        await service.close()


async def test_wrong_key_is_an_outage_that_names_its_status(signalr: Service, redis: Redis) -> None:
    service = at(signalr.url, "another key that is as long as the right one")
    with pytest.raises(UnavailableError, match="401"):
        await SignalRPush(service, RedisPresence(redis)).publish(effects(uuid4(), 1))
    await service.close()


async def test_refused_message_stops_nothing_behind_it(push: SignalRPush) -> None:
    alice, bob = uuid4(), uuid4()
    hers = await connected(push, alice)
    too_much = [PublishedEffect(bob, 1, "order", {"n": "x" * 1_100_000})]
    his = await connected(push, bob)
    await push.publish([*too_much, *effects(alice, 1)])
    await push.publish(effects(bob, 2))
    assert [each["sequence"] for each in (await his.receive())["arguments"][0]] == [2]
    assert [each["sequence"] for each in (await hers.receive())["arguments"][0]] == [1]


class Credential:
    """A credential of Entra ID."""

    async def get_token(self, *scopes: str) -> AccessToken:
        return AccessToken(f"token for {scopes[0]}", int(time.time()) + 3600)


IDENTITY = ManagedIdentity(Credential)  # type: ignore[arg-type]


async def test_identity_lets_the_service_make_client_tokens() -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, request.headers["Authorization"]))
        return web.json_response({"token": "a client's token"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    service, user = SignalRService(ServiceAddress(url, url, Identity(IDENTITY))), uuid4()
    access = await service.admit(Hub.MARKET, user, {"trader", "admin"})
    assert (access.url, access.token) == (f"{url}/client/?hub=market", "a client's token")
    query = f"userId={user}&role=admin&role=trader&minutesToExpire=60&api-version=2022-06-01"
    bearer = "Bearer token for https://signalr.azure.com/.default"
    assert asked == [("POST", f"/api/hubs/market/:generateToken?{query}", bearer)]
    await service.close()
    await runner.cleanup()


@pytest.mark.parametrize("text", ["Endpoint=http://127.0.0.1", "AccessKey=k", "nonsense"])
def test_incomplete_connection_strings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SIGNALR_CONNECTION"):
        ServiceAddress.parsed(text, None, IDENTITY)
    assert ServiceAddress.parsed(None, None, IDENTITY) is None
    parsed = ServiceAddress.parsed("Endpoint=http://a/;AccessKey=x=;Port=8;ClientEndpoint=https://b/;", None, IDENTITY)
    assert parsed is not None
    assert (parsed.endpoint, parsed.client_endpoint) == ("http://a:8", "https://b")
