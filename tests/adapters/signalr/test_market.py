"""Market data through the emulated service: who gets which message how often, and whose connection may subscribe."""

import time
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import uuid4

import orjson
import pytest
from redis.asyncio import Redis

from emulators.tests.signalr.support import Client, Service
from shared.adapters.redis.client import connect
from shared.adapters.redis.leases import RedisLeases
from shared.adapters.signalr import market
from shared.adapters.signalr.market import ShardSending, SignalRMarketPush
from shared.adapters.signalr.memberships import SignalRMemberships
from shared.adapters.signalr.service import SignalRService
from shared.contracts.pushed_quotes import MOST_BYTES, list_frames, page_frames
from shared.domain.errors import UnavailableError
from shared.domain.market_data.quotes import Level, Quote, SessionPhase
from shared.domain.market_data.shards import ShardState
from shared.domain.push import Hub
from shared.ports.market_push import ShardChange
from shared.ports.subscriptions import Membership
from tests.adapters.signalr.support import at, connected

SHARD = "s000"
EVERYTHING = frozenset({"i:NSE:INFY", "i:NSE:TCS", "s:s000", "b:s000", "h:s000"})


def a_quote(instrument_id: str = "NSE:INFY", sequence: int = 1, epoch: int = 3, price: int | None = 150005) -> Quote:
    levels = tuple(Level(10**9 - n, 10**9, 10**6) for n in range(5))
    at, many = 1_795_000_000_000_000, 10**12
    traded = (price, 5, at, many, 10**18)
    day = (10**9, 10**9, 10**9, 10**9, 1, 10**9)
    state = (date(2026, 11, 23), at, SessionPhase.CONTINUOUS)
    return Quote(instrument_id, epoch, sequence, *state, *traded, *day, levels, levels, many, many, many)


def a_state(received_s: float = 0.0, phase: SessionPhase = SessionPhase.CONTINUOUS) -> ShardState:
    return ShardState(SHARD, 3, "2026-11-23", phase, 1_795_000_000_000_000, int(received_s * 1_000_000))


def sent(sending: ShardSending, now: float, *quotes: Quote, state: ShardState | None = None) -> dict[str, list[Any]]:
    """Arguments by group."""
    due = sending.due(ShardChange(SHARD, quotes, state), EVERYTHING, now)
    return {each.group: [orjson.loads(frame) for frame in each.frames()] for each in due}


def sequences(arguments: list[Any]) -> list[int]:
    return [quote["sequence"] for argument in arguments for quote in argument["quotes"]]


def test_each_rate_sends_the_newest_of_each_instrument() -> None:
    sending = ShardSending(SHARD)
    first = sent(sending, 10.0, a_quote(sequence=1), a_quote("NSE:TCS", 7))
    assert {group: sequences(each) for group, each in first.items()} == {
        "i:NSE:INFY": [1], "i:NSE:TCS": [7], "s:s000": [1, 7], "b:s000": [1, 7],
    }  # fmt: skip
    assert sent(sending, 10.1, a_quote(sequence=3)) == {}
    late = sent(sending, 10.3, a_quote(sequence=2))
    assert {group: sequences(each) for group, each in late.items()} == {"i:NSE:INFY": [3]}
    flushed = sent(sending, 11.0, state=a_state())
    assert sequences(flushed["s:s000"]) == [3]
    assert "b:s000" not in flushed
    assert sequences(sent(sending, 15.0, a_quote(sequence=1, epoch=4))["b:s000"]) == [1]


def test_status_is_sent_at_times_and_at_changes() -> None:
    sending = ShardSending(SHARD)
    times = [(0, 100, "CONTINUOUS"), (1, 101, "CONTINUOUS"), (2, 102, "HALTED"), (3, 106, "HALTED"), (8, 107, "HALTED")]
    found = [sent(sending, now, state=a_state(at, SessionPhase(phase))) for now, at, phase in times]
    assert [bool(each) for each in found] == [True, False, True, True, True]
    (message,) = found[2]["h:s000"]
    assert message == {"shard": SHARD, "phase": "HALTED", "as_of": "2026-11-18T11:06:40.000000Z", "stale": False}


def test_messages_stay_below_what_is_billed_as_one() -> None:
    names = [f"NFO:NIFTY26DEC{strike}CE" for strike in range(20_000, 20_020)]
    frames = list(list_frames(SHARD, [a_quote(name, 10**9) for name in names] + [a_quote(epoch=4, price=None)]))
    whole = [b'{"type":1,"target":"quotes","arguments":[%b]}\x1e' % frame for frame in frames]
    assert all(len(each) <= MOST_BYTES for each in whole)
    assert [len(orjson.loads(frame)["quotes"]) for frame in frames] == [17, 3, 1]
    (page,) = page_frames(SHARD, [a_quote("NFO:NIFTY26DEC24500CE", 10**9)])
    assert len(page) < MOST_BYTES - 64


@pytest.fixture
async def service(signalr: Service) -> AsyncIterator[SignalRService]:
    made = at(signalr.url)
    yield made
    await made.close()


@pytest.fixture
async def memberships(service: SignalRService, redis: Redis) -> SignalRMemberships:
    return SignalRMemberships(service, RedisLeases(redis))


@pytest.fixture
async def push(service: SignalRService, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> SignalRMarketPush:
    monkeypatch.setattr(market, "_GROUPS_KNOWN_S", 0)
    return SignalRMarketPush(service, RedisLeases(redis))


def id_of(client: Client, signalr: Service, hub: str = "market") -> str:
    return signalr.connection_ids(hub)[-1]


async def test_members_alone_get_their_groups_messages(
    signalr: Service, service: SignalRService, memberships: SignalRMemberships, push: SignalRMarketPush
) -> None:
    alice, shard = uuid4(), f"s{uuid4().hex[:8]}"
    page = await connected(service, Hub.MARKET, alice)
    page_id = id_of(page, signalr)
    lists = await connected(service, Hub.MARKET, alice)
    lists_id = id_of(lists, signalr)
    await memberships.change(page_id, alice, {"i:NSE:INFY", f"h:{shard}"}, None)
    await memberships.change(lists_id, alice, {f"s:{shard}", f"h:{shard}"}, None)
    state = ShardState(shard, 3, "2026-11-23", SessionPhase.CONTINUOUS, 0, 0)
    await push.changed([ShardChange(shard, [a_quote()], None), ShardChange("another", [a_quote("NSE:TCS")], state)])
    message = await page.receive()
    assert (message["target"], message["arguments"][0]["mode"]) == ("quotes", "full")
    assert message["arguments"][0]["quotes"][0]["bids"][0]["quantity"] == 10**9
    message = await lists.receive()
    assert message["arguments"] == [
        {"shard": shard, "mode": "list", "epoch": 3, "quotes": [
            {"instrument_id": "NSE:INFY", "sequence": 1, "last_price": "1500.05", "volume": 10**12}]}
    ]  # fmt: skip
    await push.stale([state])
    for client in (page, lists):
        message = await client.receive()
        assert (message["target"], message["arguments"][0]["stale"]) == ("status", True)
    await memberships.change(page_id, alice, {f"h:{shard}"}, {"i:NSE:INFY", f"h:{shard}"})
    await memberships.change(lists_id, alice, (), {f"s:{shard}", f"h:{shard}"})
    await push.changed([ShardChange(shard, [a_quote(sequence=9)], state)])
    assert (await page.receive())["target"] == "status"
    assert not signalr.registry.hub("market").of_group(f"s:{shard}")


async def test_lease_remembers_until_it_ends(
    memberships: SignalRMemberships, redis: Redis, service: SignalRService, signalr: Service
) -> None:
    alice = uuid4()
    hers = id_of(await connected(service, Hub.MARKET, alice), signalr)
    group = f"s:{uuid4()}"
    await memberships.change(hers, alice, {group}, None)
    leases = RedisLeases(redis)
    assert await leases.held(hers) == Membership(alice, frozenset({group}))
    assert group in await leases.live()
    assert 100 < await redis.ttl(f"{{push}}:lease:{hers}") <= 120
    await redis.delete(f"{{push}}:lease:{hers}")
    await memberships.change(hers, alice, {"s:other"}, None)
    assert not signalr.registry.hub("market").of_group(group)
    await redis.zadd("{push}:groups", {group: time.time() - 1})
    assert group not in await leases.live()


async def test_pushing_never_raises_and_never_waits_long(service: SignalRService) -> None:
    client = connect("redis://127.0.0.1:9/0")
    push, started = SignalRMarketPush(service, RedisLeases(client)), time.monotonic()
    for _ in range(20):
        await push.changed([ShardChange(SHARD, [a_quote()], a_state())])
        await push.stale([a_state()])
    assert time.monotonic() - started < 2
    with pytest.raises(UnavailableError):
        await RedisLeases(client).held("x")
    await client.aclose()
