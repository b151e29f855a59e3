"""`Memberships`: whose a connection is, what it holds and until when, on the fake and on the service with Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from emulators.tests.signalr.support import running
from shared.adapters.redis import leases
from shared.adapters.redis.leases import RedisLeases
from shared.adapters.signalr.memberships import SignalRMemberships
from shared.domain.push import Hub
from shared.ports.subscriptions import ConnectionGoneError, Membership, Memberships
from tests.adapters.signalr.support import at, connected
from tests.fakes.hubs import MemoryMemberships


@dataclass(frozen=True)
class Clients:
    """One implementation, and what happens at the hub beside it."""

    memberships: Memberships
    connect: Callable[[UUID], Awaitable[str]]
    """A client of the user connects; its connection's id."""
    groups: Callable[[str], set[str]]
    """Those that the hub has the connection in, without the user's own."""
    end_lease: Callable[[str], Awaitable[None]]


@pytest.fixture
async def memory_clients() -> Clients:
    memberships = MemoryMemberships({})

    async def connect(user: UUID) -> str:
        connection_id = uuid4().hex
        memberships.connections[connection_id] = user
        return connection_id

    async def end_lease(connection_id: str) -> None:
        del memberships.leases[connection_id]

    return Clients(memberships, connect, lambda each: memberships.joined.get(each, set()), end_lease)


@pytest.fixture
async def signalr_clients(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clients]:
    monkeypatch.setattr(leases, "_PATIENCE_S", 5)
    async with running() as emulator:
        service = at(emulator.url)

        async def connect(user: UUID) -> str:
            await connected(service, Hub.MARKET, user)
            return emulator.connection_ids("market")[-1]

        def groups(connection_id: str) -> set[str]:
            joined = emulator.registry.hub("market").connections[connection_id].groups
            return {each for each in joined if not each.startswith("u:")}

        async def end_lease(connection_id: str) -> None:
            await redis.delete(f"{{push}}:lease:{connection_id}")

        yield Clients(SignalRMemberships(service, RedisLeases(redis)), connect, groups, end_lease)
        await service.close()


@pytest.fixture(params=["memory", "signalr"])
def clients(request: pytest.FixtureRequest) -> Clients:
    return request.getfixturevalue(f"{request.param}_clients")


async def test_connection_belongs_to_the_user_who_connected(clients: Clients) -> None:
    alice, bob = uuid4(), uuid4()
    hers, his = await clients.connect(alice), await clients.connect(bob)
    owners = [(each, user) for each in (hers, his, "unknown") for user in (alice, bob)]
    assert [await clients.memberships.belongs(*each) for each in owners] == [True, False, False, True, False, False]


async def test_connection_is_in_exactly_the_groups_it_was_put_into(clients: Clients) -> None:
    alice = uuid4()
    hers = await clients.connect(alice)
    assert await clients.memberships.held(hers) is None
    await clients.memberships.change(hers, alice, {"s:one", "i:NSE:M&M"}, None)
    for groups in ({"s:one", "i:NSE:M&M"}, {"i:NSE:M&M", "s:two"}, set[str]()):
        held = await clients.memberships.held(hers)
        assert held is not None
        for _ in range(2):
            await clients.memberships.change(hers, alice, groups, held.groups)
        assert clients.groups(hers) == groups
        assert await clients.memberships.held(hers) == Membership(alice, frozenset(groups))


async def test_what_a_lease_held_that_ended_is_left(clients: Clients) -> None:
    alice = uuid4()
    hers = await clients.connect(alice)
    await clients.memberships.change(hers, alice, {"s:one"}, None)
    await clients.end_lease(hers)
    assert await clients.memberships.held(hers) is None
    await clients.memberships.change(hers, alice, {"s:two"}, None)
    assert clients.groups(hers) == {"s:two"}


async def test_connection_that_is_not_there_holds_nothing(clients: Clients) -> None:
    with pytest.raises(ConnectionGoneError):
        await clients.memberships.change("gone", uuid4(), {"s:one"}, None)
    held = await clients.memberships.held("gone")
    assert held is None or held.groups == frozenset()
