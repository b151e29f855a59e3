"""`StreamReader`: a user's changes by sequence, and where each stream stands."""

from uuid import uuid4

from shared.domain.orders.events import Refused
from shared.domain.orders.rejects import RejectCode
from shared.ports.notifications import StreamPage
from tests.contract.conftest import Store


async def test_stream_holds_each_change_of_its_user_once(store: Store) -> None:
    user, other = await store.open(), await store.open()
    key = await store.place(user)
    await store.submit(key, Refused(RejectCode.INSUFFICIENT_FUNDS, "x"))
    assert await store.streams.current([user, other, uuid4()]) == {user: 3, other: 1}

    whole = await store.streams.page(user, 0, 9)
    assert (whole.current, [each.sequence for each in whole.effects]) == (3, [1, 2, 3])
    assert [each.kind for each in whole.effects] == ["balances", "order", "order"]
    assert [each.payload["status"] for each in whole.effects[1:]] == ["PENDING_NEW", "REJECTED"]
    assert [each.at for each in whole.effects] == sorted(each.at for each in whole.effects)
    assert await store.streams.page(user, 1, 1) == StreamPage(3, whole.effects[1:2])
    assert await store.streams.page(user, 3, 9) == StreamPage(3, [])
    assert await store.streams.page(uuid4(), 0, 9) == StreamPage(0, [])


async def test_commits_carry_the_sequence_they_end_at(store: Store) -> None:
    user = await store.open()
    key = await store.place(user)
    ended = await store.submit(key, Refused(RejectCode.INSUFFICIENT_FUNDS, "x"))
    assert ended.sequences == ended.sequences | await store.streams.current([user])
    again = await store.submit(key, Refused(RejectCode.INSUFFICIENT_FUNDS, "x"))
    assert (again.effects, again.sequences[user]) == ([], 3)
