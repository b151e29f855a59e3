"""`SagaRecords`: what is taken, what was answered, what is overdue."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from shared.domain.orders.events import Acknowledged, Deadlines, Doubted, HandedToRecovery
from tests.contract.conftest import Store
from tests.support.values import acknowledged, refused

_NOW, _HOUR = timedelta(0), timedelta(hours=1)


async def test_waiting_orders_are_taken_once_oldest_first(store: Store) -> None:
    user_id = await store.open()
    keys = [await store.place(user_id) for _ in range(5)]
    taken = [await store.take_waiting(most_orders=2) for _ in range(4)]
    members = [await store.sagas.members(saga_id) for saga_id in taken if saga_id is not None]
    assert members == [keys[:2], keys[2:4], keys[4:]]
    assert taken[3] is None


async def test_refused_orders_never_wait_for_a_saga(store: Store) -> None:
    user_id = await store.open()
    await store.take(user_id, client_order_id="mine")
    assert (await store.take(user_id, client_order_id="mine")).status == 422
    saga_id = await store.take_waiting()
    assert saga_id is not None
    assert len(await store.sagas.members(saga_id)) == 1


async def test_slots_bound_the_sagas_in_flight(store: Store) -> None:
    user_id = await store.open()
    for _ in range(3):
        await store.place(user_id)
    taken = [await store.take_waiting(most_sagas=2, most_orders=1) for _ in range(3)]
    assert [each is None for each in taken] == [False, False, True]
    for _ in range(2):
        await store.sagas.finish(taken[0])
    assert await store.take_waiting(most_sagas=2, most_orders=1) is not None


async def test_sagas_that_have_submitted_are_not_at_work(store: Store) -> None:
    user_id = await store.open()
    keys = [await store.place(user_id) for _ in range(3)]
    first = await store.take_waiting(most_orders=1, at_work=1)
    assert await store.take_waiting(most_orders=1, at_work=1) is None
    await store.send(first, keys[0])
    assert await store.take_waiting(most_orders=1, at_work=1) is not None
    assert await store.take_waiting(most_orders=1, at_work=1) is None
    assert await store.take_waiting(most_sagas=2, most_orders=1) is None


async def test_confirm_closes_a_saga_once_all_is_answered(store: Store) -> None:
    user_id = await store.open()
    keys = [await store.place(user_id) for _ in range(3)]
    saga_id = await store.take_waiting(most_sagas=1)
    await store.submit(keys[2], refused())
    await store.send(saga_id, *keys[:2])
    assert await store.sagas.unanswered(saga_id) == 2
    await store.submit(keys[0], acknowledged())
    assert await store.sagas.unanswered(saga_id) == 1
    assert await store.sagas.confirm(saga_id) == (3, [keys[1]])
    await store.place(user_id)
    assert await store.take_waiting(most_sagas=1) is None
    await store.submit(keys[1], acknowledged())
    for _ in range(2):
        assert await store.sagas.confirm(saga_id) == (3, [])
    assert await store.take_waiting(most_sagas=1) is not None


async def test_unknown_saga_has_nothing_to_do(store: Store) -> None:
    saga_id = uuid4()
    assert await store.sagas.members(saga_id) == []
    assert await store.sagas.unanswered(saga_id) == 0
    assert await store.sagas.confirm(saga_id) == (0, [])
    await store.sagas.finish(saga_id)


async def test_sagas_past_their_deadline_are_overdue_until_finished(store: Store) -> None:
    user_id = await store.open()
    late = []
    for within_s in (-1, -2, 30):
        await store.place(user_id)
        late.append(await store.take_waiting(within_s=within_s))
    assert await store.sagas.overdue_sagas() == [late[1], late[0]]
    await store.sagas.finish(late[1])
    assert await store.sagas.overdue_sagas() == [late[0]]


async def test_signal_is_unsent_until_it_is_marked(store: Store) -> None:
    key = await store.place(await store.open())
    saga_id = await store.take_waiting()
    await store.send(saga_id, key)
    await store.submit(key, acknowledged())
    assert await store.sagas.unsent_signals(_HOUR) == []
    assert await store.sagas.unsent_signals(_NOW) == [saga_id]
    await store.sagas.signals_sent([saga_id])
    assert await store.sagas.unsent_signals(_NOW) == []


async def test_orders_at_the_exchange_are_overdue_by_deadline(store: Store) -> None:
    user_id, at = await store.open(), datetime.now(UTC)
    keys = [await store.place(user_id) for _ in range(4)]
    saga_id = await store.take_waiting()
    assert saga_id is not None
    # The third is not due yet; the fourth is its saga's business, whatever its deadline.
    for key, seconds in zip(keys, (-1, -2, 30, -3), strict=True):
        due = at + timedelta(seconds=seconds)
        await store.send(saga_id, key, answer_by=due)
        if key != keys[3]:
            await store.submit(key, Acknowledged("X1", 0, Deadlines(venue=due, gap=due)))
    assert await store.sagas.overdue_orders(9) == [keys[1], keys[0]]
    assert await store.sagas.overdue_orders(1) == [keys[1]]
    await store.submit(keys[1], HandedToRecovery(at + timedelta(seconds=60)))
    await store.submit(keys[0], HandedToRecovery(at - timedelta(seconds=3)))
    assert await store.sagas.overdue_orders(9) == [keys[0]]
    await store.submit(keys[0], Doubted(at - timedelta(seconds=3)))
    assert await store.sagas.overdue_orders(9) == []
