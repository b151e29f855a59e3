"""One user's row is locked: that user's items wait in bounded time, and no other user's do."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from shared.domain.errors import UnavailableError
from shared.domain.orders.order import State
from tests.support.broker import Broker, a_candidate, report
from tests.support.values import BOB
from tests.support.waiting import eventually


@contextmanager
def locked(broker: Broker) -> Iterator[psycopg.Connection]:
    """Bob's row, until the connection is closed."""
    with psycopg.connect(broker.url) as connection:
        connection.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (BOB,))
        yield connection


async def test_orders_of_others_are_taken_while_one_user_is_locked(broker: Broker):
    with locked(broker):
        his = [asyncio.create_task(broker.intake.take(a_candidate(user_id=BOB))) for _ in range(4)]
        hers = [asyncio.create_task(broker.intake.take(a_candidate())) for _ in range(40)]
        async with asyncio.timeout(2):  # his give up after 3 s
            assert {taken.answer.status for taken in await asyncio.gather(*hers)} == {202}
        # Once he is known to be locked, his next orders do not even try with the others.
        async with asyncio.timeout(1):
            await asyncio.gather(*(broker.intake.take(a_candidate()) for _ in range(20)))
        outcomes = await asyncio.gather(*his, return_exceptions=True)
        assert {type(outcome).__mro__[1] for outcome in outcomes} == {UnavailableError}
    assert (await broker.intake.take(a_candidate(user_id=BOB))).answer.status == 202


async def test_locked_users_orders_are_taken_once_he_is_free(broker: Broker):
    with locked(broker) as lock:
        his = asyncio.create_task(broker.intake.take(a_candidate(user_id=BOB)))
        hers = asyncio.create_task(broker.intake.take(a_candidate()))
        assert (await hers).answer.status == 202
        assert not his.done()
        lock.rollback()
        assert (await his).answer.status == 202


async def test_saga_goes_on_with_the_orders_of_others(broker: Broker):
    [hers], his = await broker.place(), await broker.place(2, user_id=BOB)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    with locked(broker):
        async with asyncio.timeout(2):  # a step that waits for him gives up after 3 s
            assert await broker.saga.reserve_funds(saga_id, broker.sagas) == 3
            submission = await broker.saga.submit_to_exchange(saga_id, broker.sagas)
            assert (submission.unanswered, submission.left) == (1, 2)
            await broker.receive(report(hers))
        assert (await broker.order(hers)).state is State.NEW
        assert broker.sagas.woken == []  # as long as some of its orders have not been submitted
        with pytest.raises(UnavailableError):
            await broker.saga.reserve_funds(saga_id, broker.sagas, patient=True)
    assert await broker.saga.reserve_funds(saga_id, broker.sagas, patient=True) == 2
    submission = await broker.saga.submit_to_exchange(saga_id, broker.sagas, patient=True)
    assert (submission.unanswered, submission.left) == (2, 0)
    await broker.receive(*(report(key) for key in his))
    assert broker.sagas.woken == [saga_id]
    assert await broker.saga.confirm(saga_id, broker.sagas) == {"orders": 3, "unanswered": 0}
    assert {
        attempts for (attempts,) in broker.rows("SELECT attempts FROM order_steps WHERE order_id = %s", his[0][1])
    } == {1}


async def test_orders_held_before_their_user_was_locked_wait_alone(broker: Broker):
    [hers], [his] = await broker.place(), await broker.place(user_id=BOB)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    assert await broker.saga.reserve_funds(saga_id, broker.sagas) == 2
    with locked(broker):
        submission = await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    assert (submission.unanswered, submission.left) == (1, 1)
    assert await broker.saga.reserve_funds(saga_id, broker.sagas, patient=True) == 1
    submission = await broker.saga.submit_to_exchange(saga_id, broker.sagas, patient=True)
    assert (submission.unanswered, submission.left) == (2, 0)
    assert {(await broker.order(key)).state for key in (hers, his)} == {State.SUBMITTED}


async def test_reports_of_others_are_booked_meanwhile(broker: Broker):
    _, [hers] = await broker.submitted()
    _, [his] = await broker.submitted(user_id=BOB)
    with locked(broker) as lock:
        booking = asyncio.create_task(broker.receive(report(his), report(hers)))
        await eventually(lambda: _is_new(broker, hers))
        assert not booking.done()
        lock.rollback()
        await booking
    assert (await broker.order(his)).state is State.NEW


async def _is_new(broker: Broker, key: object) -> bool:
    return (await broker.order(key)).state is State.NEW  # type: ignore[arg-type]
