"""`BookStore`: what a unit of work writes is what the next one loads, and failed work leaves no trace."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.domain.ledger.accounts import INR, Account, AssetKey, BalanceKey
from shared.domain.ledger.books import UnloadedError
from shared.domain.ledger.changes import EffectKind, ExecutionKey
from shared.domain.ledger.entries import Entry, EntrySource, Leg, LegReason
from shared.domain.ledger.holds import Balance, HoldChange, HoldKey, HoldPurpose, HoldSource
from shared.domain.orders.events import Filled, FundsHeld
from shared.domain.orders.order import Order, Owner, Request, State, changed
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import OrderType, Side, Terms, TimeInForce
from shared.ports.books import Claim, Scope, Unit, UsersBusyError
from tests.contract.conftest import CASH, SHARES, Store
from tests.support.broker import scope_of, scoped_fill
from tests.support.values import DEADLINES, INFY, acknowledged, cancel_requested, ended, filled, refused

UNUSUAL: dict[str, Any] = {
    "pending_request": Request.CANCEL,
    "pending_request_id": uuid4(),
    "filled_quantity": 3,
    "notional": 449_997,
    "venue_quantity": 5,
    "venue_sequence": 9,
    "missing_reports": "2,5-7",
    "final_quantity": 7,
    "final_state": State.EXPIRED,
    "charges": 123,
    "owner": Owner.OPERATIONS,
    "in_doubt": True,
    "saga_id": uuid4(),
    "submitted_at": datetime(2026, 11, 23, 5, 0, 1, 1, tzinfo=UTC),
    "expire_at": datetime(2026, 11, 23, 5, 0, 2, 2, tzinfo=UTC),
    "answered_at": datetime(2026, 11, 23, 5, 0, 3, 3, tzinfo=UTC),
    "deadline": datetime(2026, 11, 23, 5, 0, 4, 999_999, tzinfo=UTC),
    "updated_at": datetime(2026, 11, 23, 5, 0, 5, tzinfo=UTC),
    "exchange_order_id": "X'1\"\\",
    "reject_code": RejectCode.EXCHANGE_REJECTED,
    "status_message": "ünïcode — and 'quotes'",
    "state": State.PARTIALLY_FILLED,
    "version": 9,
    "revision": 11,
}
AS_ASKED: dict[str, Any] = {
    "instrument_id": "NSE:TCS",
    "security_id": "INE467B01029",
    "segment": "EQ'",
    "side": Side.SELL,
    "order_type": OrderType.MARKET,
    "time_in_force": TimeInForce.IOC,
    "quantity": 71,
    "price": None,
    "limit_price": 12_345,
    "disclosed_quantity": 2,
    "client_order_id": "mine",
    "tag": "a tag",
    "trade_date": "2026-11-20",
    "deadline": datetime(2026, 11, 23, 5, 0, 4, 123_456, tzinfo=UTC),
}


def fill(exec_id: str, quantity: int = 4, price: int = 149_990) -> Filled:
    return Filled("NSE", "2026-11-23", exec_id, quantity, price, quantity, datetime.now(UTC), DEADLINES, "M1", "X1")


async def load(store: Store, scope: Scope) -> Unit:
    return (await store.books.work(scope, lambda unit: unit))[0]


async def test_every_column_of_an_order_survives(store: Store) -> None:
    key = await store.place(await store.open(), **AS_ASKED)
    placed = await store.found(key)
    for name, value in AS_ASKED.items():
        assert getattr(placed.terms if name in Terms._fields else placed, name) == value, name
    # Everything but the key, the terms and what intake alone writes.
    assert {*UNUSUAL, "user_id", "order_id", "terms", "trade_date", "accepted_at", "client_order_id", "tag"} == {
        *Order._fields
    }
    written = await store.rewrite(key, lambda order: changed(order, **UNUSUAL))
    assert written == placed._replace(**UNUSUAL)
    assert await store.found(key) == written


async def test_books_are_loaded_as_they_were_written(store: Store) -> None:
    key = await store.place(await store.open())
    saga_id = await store.take_waiting()
    await store.send(saga_id, key)
    scope, event = Scope(orders=[key]), fill("E1")

    def book(unit: Unit) -> Unit:
        unit.books.submit(key, event)
        return unit

    written, committed = await store.books.work(scope_of(key, event), book)
    loaded = (await load(store, scope)).books
    assert (loaded.orders, loaded.holds) == (written.books.orders, written.books.holds)
    touched = written.books.changes.balances
    assert {each: loaded.balances[each] for each in touched} == {each: written.books.balances[each] for each in touched}
    assert loaded.sequences[key.user_id] == committed.effects[-1].sequence + 1


async def test_execution_on_record_is_booked_once(store: Store) -> None:
    user_id = await store.open()
    key = await store.place(user_id)
    await store.send(await store.take_waiting(), key)
    exec_id = uuid4().hex
    event, execution = fill(exec_id), ExecutionKey("NSE", "2026-11-23", exec_id)
    scope = scope_of(key, event)
    for _ in range(2):
        order, _ = await store.books.work(scope, lambda unit: unit.books.submit(key, event))
    assert (order.filled_quantity, order.notional) == (4, 4 * 149_990)
    loaded = (await load(store, scope)).books
    assert loaded.executions == {execution}
    assert loaded.balances[BalanceKey(user_id, Account.CASH, INR)].balance == CASH - order.notional - order.charges


async def test_fills_in_any_order_and_batches_end_in_the_same_cost(store: Store) -> None:
    at = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
    trades = [(Side.BUY, 3, 100_00), (Side.BUY, 4, 101_00), (Side.SELL, 6, 90_00), (Side.BUY, 7, 99_95)]
    ends = []
    for arrival in (
        ((0,), (1,), (2,), (3,)),
        ((3,), (2,), (1,), (0,)),
        ((1, 3), (2, 0)),
        ((3, 0, 2), (1,)),
        ((2, 1, 0, 3),),
    ):
        user_id = await store.open()
        keys = [
            await store.place(user_id, side=side, quantity=quantity, limit_price=110_00 if side is Side.BUY else 90_00)
            for side, quantity, _ in trades
        ]
        await store.send(await store.take_waiting(), *keys)
        events = [
            replace(fill(uuid4().hex, quantity, price), executed_at=at + timedelta(seconds=number))
            for number, (_, quantity, price) in enumerate(trades)
        ]
        fills = list(zip(keys, events, strict=True))
        for batch in arrival:
            await store.fill(*(fills[number] for number in batch))
        whole = Scope(orders=keys, fills=[scoped_fill(*each) for each in fills])
        cost = (await load(store, whole)).books.costs[AssetKey(user_id, INFY)]
        ends.append((cost.now, cost.newest))
    assert ends == [ends[0]] * len(ends)
    assert ends[0][0].average_price == "100.0277"


async def test_fill_that_the_scope_does_not_name_is_refused(store: Store) -> None:
    key = await store.place(await store.open())
    await store.send(await store.take_waiting(), key)
    with pytest.raises(UnloadedError, match="the trades in"):
        await store.books.work(Scope(orders=[key]), lambda unit: unit.books.submit(key, fill("E1")))


async def test_hold_shrinks_with_every_fill_and_ends(store: Store) -> None:
    key = await store.place(await store.open())
    await store.send(await store.take_waiting(), key)
    cash, open_of = BalanceKey(key.user_id, Account.CASH, INR), []
    for events in ([], [fill("E1")], [acknowledged(4), ended(cum=4)]):
        await store.submit(key, *events)
        books = (await load(store, Scope(orders=[key]))).books
        (hold,) = books.holds[HoldPurpose(key.user_id, HoldSource.ORDER, key.order_id)]
        assert books.balances[cash].held == hold.open == hold.amount - hold.captured - hold.released
        open_of.append(hold.open)
    assert 10 * 150_000 < open_of[0] < 10 * 151_000
    assert 6 * 150_000 < open_of[1] < 6 * 151_000
    assert open_of[2] == 0


async def test_failed_work_leaves_no_trace(store: Store) -> None:
    key = await store.place(await store.open())
    before = await load(store, Scope(orders=[key]))

    def fail(unit: Unit) -> None:
        unit.books.submit(key, refused())
        raise LookupError("after a change")

    with pytest.raises(LookupError, match="after a change"):
        await store.books.work(Scope(orders=[key]), fail)
    after = await load(store, Scope(orders=[key]))
    assert (after.books.orders, after.books.sequences) == (before.books.orders, before.books.sequences)
    assert len(await store.orders.history(*key)) == 1


async def test_brief_work_names_the_users_who_are_locked(store: Store) -> None:
    busy, free = await store.open(), await store.open()
    keys = [await store.place(user) for user in (busy, free)]

    def refuse(unit: Unit) -> None:
        for key in unit.books.orders:
            unit.books.submit(key, refused())

    with store.locked(busy):
        with pytest.raises(UsersBusyError) as caught:
            await store.books.work(Scope(orders=keys), refuse, brief=True)
        assert caught.value.users == {busy}
        assert {(await store.found(key)).state for key in keys} == {State.ACCEPTED}
        await store.books.work(Scope(orders=keys[1:]), refuse, brief=True)
    await store.books.work(Scope(orders=keys[:1]), refuse, brief=True)
    assert {(await store.found(key)).state for key in keys} == {State.REJECTED}


async def test_more_held_than_there_is_is_never_written(store: Store) -> None:
    key = await store.place(await store.open())

    def overspend(unit: Unit) -> None:
        for balance_key, balance in unit.books.balances.items():
            balance.held = balance.balance + 1
            unit.books.changes.balances.add(balance_key)

    with pytest.raises(Exception, match="available_is_never_negative"):
        await store.books.work(Scope(orders=[key]), overspend)
    balances = (await load(store, Scope(orders=[key]))).books.balances
    assert balances[BalanceKey(key.user_id, Account.CASH, INR)] == Balance(CASH)


async def test_entry_on_record_is_posted_once(store: Store) -> None:
    user_id = await store.open()
    pay_in = Entry(user_id, uuid4(), EntrySource.PAY_IN, (Leg(Account.BANK, Account.CASH, INR, 500, LegReason.PAY_IN),))
    fees = Leg(Account.EXCHANGE_FEES, Account.BANK, INR, 77, LegReason.FEES_PAID)
    sweep = Entry(None, uuid4(), EntrySource.SETTLEMENT, (fees,))
    for entry in (pay_in, sweep):
        assert [await store.post(entry), await store.post(entry)] == [True, False]
    books = (await load(store, Scope(assets=[AssetKey(user_id, INR)], entries=[pay_in.key, sweep.key]))).books
    assert books.balances[BalanceKey(user_id, Account.CASH, INR)] == Balance(CASH + 500)
    assert books.entries == {pay_in.key: True, sweep.key: True}


async def test_balances_are_published_as_the_commit_leaves_them(store: Store) -> None:
    user_id = await store.open()
    pay_in = Entry(user_id, uuid4(), EntrySource.PAY_IN, (Leg(Account.BANK, Account.CASH, INR, 500, LegReason.PAY_IN),))
    scope = Scope(entries=[pay_in.key], assets=[AssetKey(user_id, INR)])
    _, committed = await store.books.work(scope, lambda unit: unit.books.post(pay_in))
    (effect,) = committed.effects
    cash = f"{(CASH + 500) / 100:.2f}"
    amounts = {"account": "client.cash", "asset": "INR", "balance": cash, "held": "0.00", "available": cash}
    assert (effect.kind, effect.payload) == ("balances", {"user_id": str(user_id), "balances": [amounts]})


async def test_account_outside_the_scope_is_never_written(store: Store) -> None:
    user_id = await store.open()
    more = Entry(
        user_id,
        uuid4(),
        EntrySource.JOURNAL,
        (Leg(Account.DEPOSITORY, Account.HOLDINGS, INFY, 5, LegReason.OPENING_DEPOSIT),),
    )
    with pytest.raises(UnloadedError):
        await store.books.work(Scope(entries=[more.key]), lambda unit: unit.books.post(more))
    assert await store.post(more)
    books = (await load(store, Scope(assets=[AssetKey(user_id, INFY)]))).books
    assert books.balances == {BalanceKey(user_id, Account.HOLDINGS, INFY): Balance(SHARES + 5)}


async def test_holds_of_every_source_are_kept_apart(store: Store) -> None:
    user_id, source_id = await store.open(), uuid4()
    keys = [HoldKey(user_id, source, source_id, source_id) for source in HoldSource]
    scope = Scope(assets=[AssetKey(user_id, INR)], hold_purposes=[key.purpose for key in keys])

    def hold(unit: Unit) -> None:
        for amount, key in enumerate(keys, start=1):
            unit.books.change_hold(HoldChange(key, Account.CASH, INR, amount))

    await store.books.work(scope, hold)
    loaded = (await load(store, scope)).books
    amounts = {key: [hold.amount for hold in loaded.holds[key.purpose]] for key in keys}
    assert amounts == {key: [amount] for amount, key in enumerate(keys, start=1)}
    assert loaded.balances[BalanceKey(user_id, Account.CASH, INR)].held == sum(range(1, len(keys) + 1))


async def test_effects_of_a_user_are_numbered_without_a_gap(store: Store) -> None:
    user_id = await store.open()
    numbers = []
    for _ in range(2):
        key = await store.place(user_id)
        numbers += [effect.sequence for effect in (await store.submit(key, refused())).effects]
    # The deposit is the first, then each order's acceptance and refusal.
    assert numbers == [3, 5]


async def test_messages_leave_with_the_commit_that_caused_them(store: Store) -> None:
    key = await store.place(await store.open())
    saga_id = await store.take_waiting()
    sent = await store.send(saga_id, key)
    assert [str(key.order_id) in message.body for message in sent.outbox] == [True]
    again = await store.submit(key, cancel_requested())
    assert len(again.outbox) == 1
    assert again.outbox[0].lane == sent.outbox[0].lane
    assert again.outbox[0].message_id != sent.outbox[0].message_id


async def test_claims_find_the_answers_and_names_on_record(store: Store) -> None:
    user_id, stranger = await store.open(), await store.open()
    answer = await store.take(user_id, "key", client_order_id="mine")
    claims = [Claim(user, key, name) for user in (user_id, stranger) for key, name in (("key", "mine"), (None, None))]
    known = (await load(store, Scope(users=[user_id, stranger], claims=claims))).orders
    assert known.answers == {(user_id, "key"): answer}
    assert known.client_order_ids == {(user_id, "mine"): answer.order_id}


async def test_last_answer_of_a_saga_is_signalled_once(store: Store) -> None:
    user_id = await store.open()
    keys = [await store.place(user_id) for _ in range(2)]
    saga_id = await store.take_waiting()
    await store.send(saga_id, *keys)
    signalled = [(await store.submit(key, acknowledged())).answered_sagas for key in (keys[0], *keys)]
    assert signalled == [[], [], [saga_id]]


async def test_order_that_still_waits_to_be_sent_delays_the_signal(store: Store) -> None:
    user_id = await store.open()
    first, second = [await store.place(user_id) for _ in range(2)]
    saga_id = await store.take_waiting()

    def hold(unit: Unit) -> None:
        unit.books.reserve(
            second,
            FundsHeld(saga_id, datetime.now(UTC) + timedelta(seconds=30)),
            lambda required, available: refused(),
        )

    await store.books.work(Scope(orders=[second]), hold)
    await store.send(saga_id, first)
    assert (await store.submit(first, acknowledged())).answered_sagas == []
    await store.send(saga_id, second)
    assert (await store.submit(second, acknowledged())).answered_sagas == [saga_id]


async def test_each_effect_is_of_the_kind_it_shows(store: Store) -> None:
    key = await store.place(await store.open())
    await store.send(await store.take_waiting(), key)
    effects = (await store.submit(key, acknowledged(), filled(4))).effects
    shown = {"status": EffectKind.ORDER, "trade_id": EffectKind.TRADE, "balances": EffectKind.BALANCES}
    assert [effect.kind for effect in effects] == [
        next(kind for name, kind in shown.items() if name in effect.payload) for effect in effects
    ]
    assert {effect.kind for effect in effects} == {*EffectKind}


async def test_first_hold_of_an_order_comes_first(store: Store) -> None:
    key = await store.place(await store.open())
    await store.send(await store.take_waiting(), key)
    first = HoldKey(key.user_id, HoldSource.ORDER, key.order_id, key.order_id)
    more = first._replace(request_id=UUID(int=1))

    def hold_more(unit: Unit) -> None:
        unit.books.change_hold(HoldChange(more, Account.CASH, INR, 100))

    await store.books.work(Scope(orders=[key]), hold_more)
    loaded = await load(store, Scope(orders=[key]))
    assert [hold.key for hold in loaded.books.holds[first.purpose]] == [first, more]
