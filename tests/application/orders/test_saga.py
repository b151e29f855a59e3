"""What sagas take, the steps of the order saga and its one signal, on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from shared.domain.ledger.books import Books
from shared.domain.orders.events import CancelRequested, Doubted, FundsHeld, HandedToRecovery, Submitted
from shared.domain.orders.order import OrderKey, Owner, State
from shared.ports.books import ExchangeMessage
from tests.support.broker import Broker, fill, report
from tests.support.values import ALICE, BOB, CANCEL
from tests.support.waiting import eventually

UNANSWERED = "SELECT unanswered FROM sagas WHERE saga_id = %s"
_TABLES = ("orders", "order_events", "holds", "accounts", "transfers", "effects", "exchange_outbox", "sagas")


def picture(broker: Broker) -> dict[str, Any]:
    """Every row that a step may touch, apart from marks of sending."""
    rows = {table: broker.rows(f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1") for table in _TABLES}
    return rows | {"steps": broker.rows("SELECT order_id, step, outcome, detail FROM order_steps ORDER BY 1, 2")}


async def test_each_order_is_taken_exactly_once(broker: Broker, other: Broker):
    keys = await broker.place(30)
    sagas = await asyncio.gather(*(each.take_waiting(4) for each in [broker, other] * 6))
    members = [key for saga_id in sagas if saga_id for key in await broker.records.members(saga_id)]
    left = broker.value("SELECT count(*) FROM dispatch_queue")
    assert len(members) == len(set(members)) == 30 - left
    assert set(members) <= set(keys)
    while left and (saga_id := await broker.take_waiting(4)):
        members += await broker.records.members(saga_id)
        left = broker.value("SELECT count(*) FROM dispatch_queue")
    assert sorted(members) == sorted(keys)


@pytest.mark.parametrize("step", ["reserve_funds", "submit_to_exchange", "confirm", "release_funds"])
async def test_step_run_again_changes_only_its_attempts(broker: Broker, step: str):
    await broker.place(3)
    await broker.place(1, quantity=10**7)  # too dear
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    steps: dict[str, Any] = {
        "reserve_funds": lambda: broker.saga.reserve_funds(saga_id, broker.sagas),
        "submit_to_exchange": lambda: broker.saga.submit_to_exchange(saga_id, broker.sagas),
        "confirm": lambda: broker.saga.confirm(saga_id, broker.sagas),
        "release_funds": lambda: broker.saga.release_funds(saga_id, broker.sagas, "submit_to_exchange"),
    }
    for name, run in steps.items():
        if name == step:
            break
        await run()
    first = await steps[step]()
    before = picture(broker)
    assert await steps[step]() == first
    assert picture(broker) == before
    attempts = {a for (a,) in broker.rows("SELECT attempts FROM order_steps WHERE step = %s", step)}
    assert attempts == (set() if step == "release_funds" else {2})


async def test_step_notes_how_each_order_stands(broker: Broker):
    [good], [dear] = await broker.place(1), await broker.place(1, quantity=10**7)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    noted = broker.rows("SELECT step, order_id, outcome FROM order_steps ORDER BY step, outcome")
    assert noted == [
        ("reserve_funds", good.order_id, "HELD"),
        ("reserve_funds", dear.order_id, "REJECTED: INSUFFICIENT_FUNDS"),
        ("submit_to_exchange", dear.order_id, "REJECTED: INSUFFICIENT_FUNDS"),
        ("submit_to_exchange", good.order_id, "SUBMITTED"),
    ]


async def test_release_funds_compensates_each_order_once(broker: Broker):
    keys = await broker.place(3)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    await broker.change(keys[0], CancelRequested(CANCEL, datetime.now(UTC)))
    for _ in range(2):
        assert await broker.saga.release_funds(saga_id, broker.sagas, "submit_to_exchange") == 2
    assert (
        broker.rows("SELECT outcome, attempts FROM order_steps WHERE step = 'release_funds'")
        == [("COMPENSATED", 1)] * 2
    )
    assert broker.value("SELECT sum(held) FROM accounts") == 0


async def test_saga_is_woken_once_by_its_last_answer(broker: Broker):
    saga_id, keys = await broker.submitted(3)
    await broker.receive(report(keys[0]), report(keys[0]))
    await broker.receive(fill(keys[1]))
    assert (broker.value(UNANSWERED, saga_id), broker.sagas.woken) == (1, [])
    await broker.receive(report(keys[2], "REJECTED", order_status="REJECTED", reason="PRICE_BAND"))
    await broker.receive(report(keys[1]), report(keys[2]))
    assert (broker.value(UNANSWERED, saga_id), broker.sagas.woken) == (0, [saga_id])


async def test_answers_in_racing_transactions_signal_once(broker: Broker, other: Broker):
    users = [ALICE, BOB]
    keys = [(await broker.place(user_id=user))[0] for user in users * 4]
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    await asyncio.gather(*(b.receive(report(key)) for b, key in zip([broker, other] * 4, keys, strict=True)))
    assert broker.sagas.woken + other.sagas.woken == [saga_id]
    assert broker.rows("SELECT saga_id FROM saga_signals") == []


def poison(monkeypatch: pytest.MonkeyPatch, bad: OrderKey, kind: type) -> None:
    """A bug that one order alone provokes."""
    honest = Books.submit

    def submit(self: Books, key: OrderKey, event: Any) -> Any:
        if key == bad and isinstance(event, kind):
            raise ZeroDivisionError("a bug")
        return honest(self, key, event)

    monkeypatch.setattr(Books, "submit", submit)


@pytest.mark.parametrize("kind", [FundsHeld, Submitted])
async def test_poison_order_is_refused_alone(broker: Broker, monkeypatch: pytest.MonkeyPatch, kind: type):
    keys = await broker.place(5)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    poison(monkeypatch, keys[2], kind)
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    submission = await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    assert submission.unanswered == 4
    states = [(await broker.order(key)).state for key in keys]
    assert states == [State.SUBMITTED, State.SUBMITTED, State.REJECTED, State.SUBMITTED, State.SUBMITTED]
    assert broker.rows("SELECT order_id FROM order_steps WHERE outcome = 'POISON'") == [(keys[2][1],)]
    assert sorted(r["order_id"] for r in broker.exchange.requests) == sorted(str(k[1]) for k in keys if k != keys[2])


async def test_saga_halved_midway_is_not_woken_early(broker: Broker, monkeypatch: pytest.MonkeyPatch):
    keys = await broker.place(5)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    poison(monkeypatch, keys[2], Submitted)
    user_of = {str(order_id): user_id for user_id, order_id in keys}
    woken_while_held: list[int] = []

    async def send_and_answer(messages: Sequence[ExchangeMessage]) -> None:
        requests = [request for message in messages for request in orjson.loads(message.body)["requests"]]
        await broker.receive(*(report((user_of[r["order_id"]], UUID(r["order_id"]))) for r in requests))

    async def answered(_: UUID) -> None:
        woken_while_held.append(broker.value("SELECT count(*) FROM orders WHERE state = 'HELD'"))

    monkeypatch.setattr(broker.exchange, "send", send_and_answer)
    monkeypatch.setattr(broker.sagas, "answered", answered)
    assert (await broker.saga.submit_to_exchange(saga_id, broker.sagas)).unanswered == 0
    assert woken_while_held == [0]


async def test_poison_in_the_database_is_refused_alone(broker: Broker):
    keys = await broker.place(4)
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    broker.rows(f"ALTER TABLE holds ADD CHECK (source_id <> '{keys[1][1]}'::uuid)")
    assert await broker.saga.reserve_funds(saga_id, broker.sagas) == 3
    assert (await broker.order(keys[1])).reject_code == "PROCESSING_FAILED"


async def test_unanswered_order_goes_to_recovery(broker: Broker):
    saga_id, [answered, silent] = await broker.submitted(2)
    await broker.receive(report(answered))
    assert await broker.saga.confirm(saga_id, broker.sagas) == {"orders": 2, "unanswered": 1}
    assert (await broker.order(silent)).owner is Owner.RECOVERY
    assert broker.sagas.recovering == [silent]
    assert broker.value("SELECT finished_at IS NOT NULL FROM sagas WHERE saga_id = %s", saga_id)


async def test_order_of_an_ended_session_is_not_submitted(broker: Broker):
    [key] = await broker.place(trade_date="2026-11-20")
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    order = await broker.order(key)
    assert (order.state, order.reject_code) == (State.REJECTED, "SESSION_ENDED")
    assert broker.exchange.sent == []


async def test_order_cancelled_before_its_saga_is_left_alone(broker: Broker):
    [key] = await broker.place()
    await broker.change(key, CancelRequested(CANCEL, datetime.now(UTC)))
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    assert await broker.saga.reserve_funds(saga_id, broker.sagas) == 0
    assert (await broker.saga.submit_to_exchange(saga_id, broker.sagas)).unanswered == 0
    assert (await broker.order(key)).state is State.CANCELED


async def test_dispatcher_starts_what_it_took(broker: Broker):
    keys = await broker.place(3)
    await broker.dispatcher.run(broker.sagas)
    [saga_id] = broker.sagas.started
    assert sorted(await broker.records.members(saga_id)) == sorted(keys)


async def test_saga_that_was_taken_but_not_started_is_swept(broker: Broker):
    await broker.place()
    saga_id = await broker.take_waiting()
    broker.rows("UPDATE sagas SET deadline = now() - interval '1 second'")
    await broker.sweep.run(broker.sagas)
    assert broker.sagas.started == [saga_id]


async def test_engine_away_leaves_taken_orders_for_the_sweep(broker: Broker):
    await broker.place()
    broker.sagas.away = True
    await broker.dispatcher.run(broker.sagas)
    broker.sagas.away = False
    broker.rows("UPDATE sagas SET deadline = now() - interval '1 second'")
    await broker.sweep.run(broker.sagas)
    assert len(broker.sagas.started) == 1


async def test_orders_are_dispatched_where_somebody_listens(broker: Broker, other: Broker):
    """Another process' dispatcher takes them; without one, or without hints, the one that placed them does."""
    other.dispatcher._hints = broker.hints  # one channel between two processes
    other.dispatcher.listen(other.sagas)
    await broker.place()
    broker.dispatcher.hint(broker.sagas)
    await eventually(lambda: len(other.sagas.started) == 1)
    broker.hints.away = True
    await broker.place()
    broker.dispatcher.hint(broker.sagas)
    await eventually(lambda: len(broker.sagas.started) == 1)
    assert len(other.sagas.started) == 1


async def test_order_in_doubt_gets_no_further_recovery(broker: Broker):
    _, [key] = await broker.submitted()
    past = datetime.now(UTC) - timedelta(seconds=1)
    await broker.change(key, HandedToRecovery(past))
    await broker.recovery.take_over(key, broker.sagas)
    await broker.change(key, Doubted(past))
    await broker.recovery.take_over(key, broker.sagas)
    assert (broker.sagas.recovering, (await broker.order(key)).owner) == ([key], Owner.OPERATIONS)
