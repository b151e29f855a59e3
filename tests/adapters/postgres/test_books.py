"""The books in PostgreSQL: what is written is loaded again, whoever else writes at the same time."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from emulators.processes.postgres import PostgresServer
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load as load_statements
from shared.domain.errors import UnavailableError
from shared.domain.orders.events import Filled, FundsHeld
from shared.domain.orders.order import Order, State
from shared.domain.orders.terms import Side
from shared.ports.books import Scope, Unit
from tests.support.broker import SHARES, Broker, a_candidate, a_user
from tests.support.values import ALICE, BOB, DEADLINES, refused


async def test_fill_is_written_as_trade_and_position(broker: Broker):
    _, [key] = await broker.submitted()
    fill = Filled("NSE", "2026-11-23", "E1", 4, 149_990, 4, datetime.now(UTC), DEADLINES, "M1", "X1")
    order = await broker.change(key, fill)
    assert broker.value("SELECT sum(buy_value) FROM positions") == 4 * 149_990
    charges = broker.value("SELECT charges FROM trades WHERE match_id = 'M1'")
    assert sum(charges.values()) == order.charges > 0


async def test_batches_of_the_same_users_never_deadlock(broker: Broker, other: Broker):
    users = [a_user(number) for number in range(12)]
    await broker.open_accounts(users)
    keys = [(await broker.place(user_id=user))[0] for user in users]
    held = FundsHeld(uuid4(), datetime.now(UTC) + timedelta(seconds=30))

    async def rounds(books: PostgresBooks, mine: Sequence[Any]) -> None:
        for _ in range(10):
            await books.work(
                Scope(orders=mine),
                lambda unit: [unit.books.reserve(key, held, lambda r, a: refused()) for key in mine],
            )

    await asyncio.gather(
        rounds(broker.books, keys), rounds(other.books, keys[::-1]), rounds(broker.books, keys[6:] + keys[:6])
    )
    assert broker.value("SELECT count(*) FROM holds") == 12
    assert broker.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


async def test_deadlock_with_a_stranger_is_retried_unseen(broker: Broker):
    [key] = await broker.place()
    runs = 0

    async with await psycopg.AsyncConnection.connect(broker.url) as stranger:
        # The stranger breaks the rule: the account first, then the user, whom the books hold already.
        await stranger.execute("SET deadlock_timeout = '10s'")
        await stranger.execute("UPDATE accounts SET balance = balance WHERE user_id = %s", (ALICE,))
        waiting: asyncio.Task[Any] | None = None
        loop = asyncio.get_running_loop()
        locked = asyncio.Event()

        def reserve(unit: Unit) -> Order:
            nonlocal runs
            runs += 1
            loop.call_soon(locked.set)
            held = FundsHeld(uuid4(), datetime.now(UTC) + timedelta(seconds=30))
            return unit.books.reserve(key, held, lambda r, a: refused())

        work = asyncio.create_task(broker.books.work(Scope(orders=[key]), reserve))
        await locked.wait()
        waiting = asyncio.create_task(
            stranger.execute("SELECT 1 FROM users WHERE user_id = %s FOR UPDATE", (ALICE,))  # type: ignore[arg-type]
        )
        await waiting
        await stranger.commit()
    order, _ = await work
    assert (runs > 1, order.state) == (True, State.HELD)
    assert broker.value("SELECT count(*) FROM order_events WHERE event = 'FundsHeld'") == 1


async def test_one_key_sent_eight_times_makes_one_order(broker: Broker, other: Broker):
    candidates = [a_candidate("same key") for _ in range(8)]
    stores = [broker, other] * 4
    taken = await asyncio.gather(*(b.intake.take(each) for b, each in zip(stores, candidates, strict=True)))
    assert len({each.answer for each in taken}) == 1
    assert sorted(each.replayed for each in taken) == [False] + [True] * 7
    assert broker.value("SELECT count(*) FROM orders") == broker.value("SELECT count(*) FROM dispatch_queue") == 1


async def test_twin_client_order_ids_leave_one_accepted(broker: Broker, other: Broker):
    stores = [broker, other] * 4
    taken = await asyncio.gather(
        *(b.intake.take(a_candidate(f"key {n}", client_order_id="mine")) for n, b in enumerate(stores))
    )
    assert sorted(each.answer.status for each in taken) == [202] + [422] * 7
    assert broker.value("SELECT count(*) FROM orders WHERE reject_code = 'DUPLICATE_CLIENT_ORDER_ID'") == 7
    assert broker.value("SELECT count(*) FROM orders WHERE client_order_id = 'mine'") == 1


async def test_same_client_order_id_of_two_users_is_no_twin(broker: Broker):
    taken = await asyncio.gather(
        *(broker.intake.take(a_candidate(user_id=user, client_order_id="mine")) for user in (ALICE, BOB))
    )
    assert [each.answer.status for each in taken] == [202, 202]


async def test_poisoned_request_spoils_no_neighbour(broker: Broker):
    stranger = a_candidate(user_id=a_user(99))
    results = await asyncio.gather(
        *(broker.intake.take(each) for each in (a_candidate("1"), stranger, a_candidate("2"))),
        return_exceptions=True,
    )
    assert [isinstance(each, Exception) for each in results] == [False, True, False]


@pytest.mark.parametrize("side", list(Side))
async def test_reserving_in_a_race_never_overspends(broker: Broker, other: Broker, side: Side):
    quantity = SHARES // 4 + 1  # three fit, whether paid or delivered
    broker.rows("UPDATE accounts SET balance = %s WHERE account = 'client.cash'", 4 * quantity * 150_000)
    keys = await broker.place(8, side=side, quantity=quantity)
    sagas = [await broker.take_waiting(2) for _ in range(4)]
    await asyncio.gather(
        *(b.saga.reserve_funds(s, b.sagas) for b, s in zip([broker, other] * 2, sagas, strict=True) if s)
    )
    states = [(await broker.order(key)).state for key in keys]
    assert states.count(State.HELD) == 3
    assert states.count(State.REJECTED) == 5
    assert broker.value("SELECT bool_and(balance >= held) FROM accounts")


async def test_absent_ledger_is_said_so_and_nothing_is_lost(broker: Broker, postgres_server: PostgresServer):
    [key] = await broker.place()
    name = broker.url.rpartition("/")[2]
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        with pytest.raises(UnavailableError):
            await broker.change(key, refused())
        with pytest.raises(UnavailableError):
            await broker.intake.take(a_candidate("key"))
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    pool = Database(broker.url)
    await pool.open()
    back = Broker(pool, broker.url)
    assert (await back.order(key)).state is State.ACCEPTED
    assert (await back.intake.take(a_candidate("key"))).answer.status == 202
    await pool.close()


async def test_connection_that_dies_inside_the_work_is_unavailable(broker: Broker, postgres_server: PostgresServer):
    [key] = await broker.place()
    name = broker.url.rpartition("/")[2]

    def die(unit: Unit) -> None:
        unit.books.submit(key, refused())
        with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    with pytest.raises(UnavailableError):
        await broker.books.work(Scope(orders=[key]), die)
    assert broker.rows("SELECT state FROM orders WHERE order_id = %s", key[1]) == [("ACCEPTED",)]


async def test_endless_collision_is_no_fault_of_the_rows(broker: Broker):
    [key] = await broker.place()
    runs = 0

    def collide(unit: Unit) -> None:
        nonlocal runs
        runs += 1
        raise psycopg.errors.SerializationFailure

    with pytest.raises(UnavailableError):
        await broker.books.work(Scope(orders=[key]), collide)
    assert runs == 6


async def test_server_that_only_reads_is_unavailable(broker: Broker):
    [key] = await broker.place()
    name = broker.url.rpartition("/")[2]
    broker.rows(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    pool = Database(broker.url)
    await pool.open()
    with pytest.raises(UnavailableError):
        await Broker(pool, broker.url).change(key, refused())
    await pool.close()


@pytest.mark.parametrize("statement", ["load_orders", "load_balances_of_orders", "load_holds", "update_orders"])
async def test_orders_are_reached_by_their_key_from_the_first(broker: Broker, database: Database, statement: str):
    """A plan is kept: made while a user has few orders, it must not read all of them when they have become many."""
    await asyncio.gather(*(broker.intake.take(a_candidate()) for _ in range(150)))
    text = re.sub(r"%\(\w+\)s", "$1", load_statements("books.sql")[statement].replace("%(accounts)s", "$2"))
    async with database.connection() as connection:
        plan = await (await connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode(), prepare=False)).fetchall()
    used = set(re.findall(r"using (?:orders_\d_)?(\w+)", "\n".join(line for (line,) in plan)))
    assert used <= {"pkey", "order_id_idx", "accounts_pkey", "holds_pkey"}
