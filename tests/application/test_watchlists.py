"""Watchlists on PostgreSQL: bounds, order, versions, keys, and whose they are."""

import asyncio
from uuid import UUID, uuid4

import orjson
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.replies import PostgresReplies
from shared.adapters.postgres.watchlists import PostgresWatchlists
from shared.adapters.reference import load_reference_data
from shared.application.watchlists import Watchlists
from shared.contracts.watchlists import CreateWatchlist, ReplaceWatchlist
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError
from tests.support.values import ALICE, BOB


@pytest.fixture
def watchlists(database: Database) -> Watchlists:
    stores = PostgresWatchlists(database), PostgresReplies(database)
    return Watchlists(*stores, load_reference_data().instruments)


def new(name: str = "Banks", *instruments: str) -> CreateWatchlist:
    return CreateWatchlist(name=name, instruments=list(instruments))


async def made(watchlists: Watchlists, *instruments: str) -> UUID:
    created = await watchlists.create(ALICE, new("Banks", *instruments), None)
    return UUID(orjson.loads(created.body)["watchlist_id"])


async def test_list_keeps_the_order_it_was_given(watchlists: Watchlists) -> None:
    watchlist_id = await made(watchlists, "NSE:SBIN", "NSE:AXISBANK", "NSE:M&M")
    assert (await watchlists.get(ALICE, watchlist_id)).instruments == ["NSE:SBIN", "NSE:AXISBANK", "NSE:M&M"]
    turned = ReplaceWatchlist(version=1, name="Banks", instruments=["NSE:M&M", "NSE:SBIN"])
    changed = await watchlists.replace(ALICE, watchlist_id, turned)
    assert (changed.instruments, changed.version) == (["NSE:M&M", "NSE:SBIN"], 2)
    assert await watchlists.all(ALICE) == [changed]


async def test_second_device_does_not_overwrite_the_first(watchlists: Watchlists) -> None:
    watchlist_id = await made(watchlists)

    def change(name: str) -> ReplaceWatchlist:
        return ReplaceWatchlist(version=1, name=name, instruments=[])

    outcomes = await asyncio.gather(
        *(watchlists.replace(ALICE, watchlist_id, change(f"Device {number}")) for number in range(5)),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes].count(StateConflictError) == 4
    with pytest.raises(StateConflictError, match="has version 2: read it") as refused:
        await watchlists.delete(ALICE, watchlist_id, 1)
    assert refused.value.details == {"state": "VERSION_2"}
    await watchlists.delete(ALICE, watchlist_id, 2)
    with pytest.raises(NotFoundError):
        await watchlists.get(ALICE, watchlist_id)


async def test_nobody_has_more_than_ten_lists_however_they_come(watchlists: Watchlists) -> None:
    outcomes = await asyncio.gather(
        *(watchlists.create(ALICE, new(f"List {number}"), None) for number in range(14)), return_exceptions=True
    )
    assert [type(each) for each in outcomes].count(StateConflictError) == 4
    first = (await watchlists.all(ALICE))[0]
    await watchlists.delete(ALICE, UUID(first.watchlist_id), 1)
    await watchlists.create(ALICE, new(), None)
    await watchlists.create(BOB, new(), None)
    assert len(await watchlists.all(ALICE)) == 10


async def test_repeated_key_makes_one_list_and_answers_the_same(watchlists: Watchlists) -> None:
    answers = await asyncio.gather(*(watchlists.create(ALICE, new("Once"), "key-1") for _ in range(4)))
    assert len({answer.body for answer in answers}) == 1
    (only,) = await watchlists.all(ALICE)
    await watchlists.delete(ALICE, UUID(only.watchlist_id), 1)
    replayed = await watchlists.create(ALICE, new("Once"), "key-1")
    assert (replayed.body, replayed.replayed) == (answers[0].body, True)
    assert await watchlists.all(ALICE) == []
    with pytest.raises(IdempotencyKeyReusedError):
        await watchlists.create(ALICE, new("Twice"), "key-1")
    assert not (await watchlists.create(BOB, new("Twice"), "key-1")).replayed


async def test_lists_of_others_do_not_exist(watchlists: Watchlists) -> None:
    watchlist_id = await made(watchlists)
    assert await watchlists.all(BOB) == []
    for attempt in (
        watchlists.get(BOB, watchlist_id),
        watchlists.delete(BOB, watchlist_id, 1),
        watchlists.replace(BOB, watchlist_id, ReplaceWatchlist(version=1, name="Mine", instruments=[])),
        watchlists.get(ALICE, uuid4()),
    ):
        with pytest.raises(NotFoundError):
            await attempt


async def test_unknown_instruments_change_nothing(watchlists: Watchlists) -> None:
    with pytest.raises(NotFoundError, match="no instrument NSE:A, NSE:B") as refused:
        await watchlists.create(ALICE, new("Bad", "NSE:INFY", "NSE:B", "NSE:A"), None)
    assert refused.value.details == {"instruments": ["NSE:A", "NSE:B"]}
    watchlist_id = await made(watchlists)
    with pytest.raises(NotFoundError):
        await watchlists.replace(ALICE, watchlist_id, ReplaceWatchlist(version=1, name="Bad", instruments=["NSE:A"]))
    assert [(each.name, each.version) for each in await watchlists.all(ALICE)] == [("Banks", 1)]
