"""Redis as it is in Azure: a cluster over TLS, opened with the identity's access tokens."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.redis.client import AWAY, Client, connect, open_early
from shared.adapters.redis.rate_limits import RedisRequestCounter
from shared.adapters.redis.scripts import Call, Script, run_scripts
from shared.adapters.redis.wakeups import RedisWakeups
from shared.domain.errors import UnavailableError
from tests.support.azure_redis import Cluster, azure_redis
from tests.support.managed_identity import IdentityEndpoint
from tests.support.waiting import eventually

type Connect = Callable[[], Client]


@pytest.fixture
async def cluster(endpoint: IdentityEndpoint, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with azure_redis(endpoint.authority, tmp_path) as running:
        yield running


@pytest.fixture
async def redis(cluster: Cluster, identity: ManagedIdentity) -> AsyncIterator[Client]:
    client = connect(cluster.url, cluster=True, identity=identity)
    await open_early(client)
    yield client
    await client.aclose()


async def test_scripts_of_many_slots_share_a_batch(redis: Client) -> None:
    count = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    calls = [Call(count, [f"k{number}"], [number]) for number in range(60)]
    assert await run_scripts(redis, calls) == list(range(60))
    assert await run_scripts(redis, calls) == [2 * number for number in range(60)]


async def test_limits_are_exact_and_watchers_are_woken(redis: Client) -> None:
    counter, wakeups, user = RedisRequestCounter(redis), RedisWakeups(redis), uuid4()
    key = str(uuid4())
    assert [(await counter.count(key, 3)).allowed for _ in range(5)] == [True] * 3 + [False] * 2
    async with wakeups.watch(user) as watch:

        async def woken() -> bool:
            with suppress(UnavailableError):  # the first call loads the script, on a busy machine too late
                await wakeups.changed([user])
            return await watch.next(0.2)

        await eventually(woken)
    await wakeups.close()


async def test_connections_whose_token_ended_are_replaced_unseen(redis: Client, cluster: Cluster) -> None:
    keys = [f"k{number}" for number in range(30)]
    for key in keys:
        await redis.set(key, "1")
    before = cluster.authority.accepted
    cluster.end_all()
    assert [await redis.get(key) for key in keys] == [b"1"] * 30
    assert cluster.ended > 0
    assert cluster.authority.accepted > before


async def test_refused_token_limits_per_process_until_it_is_accepted(redis: Client, cluster: Cluster) -> None:
    cluster.authority.ahead_s = 7200
    cluster.end_all()
    counter, wakeups = RedisRequestCounter(redis), RedisWakeups(redis)
    assert (await counter.count("k", 1)).allowed
    assert not (await counter.count("k", 1)).allowed
    with pytest.raises(UnavailableError):
        await wakeups.changed([uuid4()])
    assert not await _answers(redis)
    assert set(cluster.authority.refused) == {"expired"}

    cluster.authority.ahead_s = 0
    await eventually(lambda: _answers(redis))
    await wakeups.close()


async def test_token_for_another_service_is_refused(cluster: Cluster, identity: ManagedIdentity) -> None:
    class Wrong(ManagedIdentity):
        async def token(self, scope: str) -> str:
            return await identity.token(scope.replace("redis", "vault"))

    client = connect(cluster.url, cluster=True, identity=Wrong())
    assert not await _answers(client)
    assert "InvalidAudienceError" in cluster.authority.refused
    await client.aclose()


async def test_keys_rotate_while_connections_are_made(
    redis: Client, cluster: Cluster, endpoint: IdentityEndpoint
) -> None:
    await redis.set("k", "1")
    endpoint.rotate()
    fresh = ManagedIdentity()
    other = connect(cluster.url, cluster=True, identity=fresh)
    cluster.end_all()
    assert (await redis.get("k"), await other.get("k")) == (b"1", b"1")
    assert cluster.authority.refused == []
    await other.aclose()
    await fresh.close()


async def _answers(client: Client) -> bool:
    try:
        await client.set("answers", "1")
    except AWAY:
        return False
    return True
