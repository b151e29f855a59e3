"""`python -m bench.hot_account`: orders of one customer take their holds, against pgbench updating one row.

Goal P4. Ours: `reserve_funds` over lists of 200 orders of one user, all on one cash account: each order is loaded,
judged, held, its event, effect and balance written. pgbench: 16 clients, one `UPDATE` of one row a transaction.
"""

import asyncio
import os
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import typer

from bench.brokers import BenchmarkError, demo_of
from bench.report import Effort, Quick, Rounds, Seconds, middle, ratio, result, say
from emulators.processes.postgres import binaries
from sandbox.harness import Sandbox, SandboxOptions
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.reference import load_reference_data
from shared.domain.ids import new_order_id
from shared.domain.orders.events import FundsHeld, Refused
from shared.domain.orders.order import Order, OrderKey, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce
from shared.ports.books import NewOrder, Scope, StoredAnswer, Unit

_LIST = 200
_PGBENCH_CLIENTS = 16


def main(rounds: Rounds = 5, seconds: Seconds = 5.0, *, quick: Quick = False) -> None:
    """Measure in turns, print one JSON line."""
    effort = Effort.of(rounds, seconds, quick=quick)
    with TemporaryDirectory(prefix="bench-hot-") as folder:
        demo = Path(folder) / "demo.json"
        demo.write_bytes(orjson.dumps(demo_of(1)))
        options = SandboxOptions(demo=demo, only=("data",), fsync=True)
        with Sandbox.start(Path(folder) / "data", options) as sandbox:
            figures = _measure(sandbox, effort)
    result("hot_account", {"rounds": effort.rounds, "list": _LIST, **figures})


def _measure(sandbox: Sandbox, effort: Effort) -> dict[str, Any]:
    user_id = next(user.id for user in sandbox.running.demo.users if user.name.startswith("trader-"))
    with psycopg.connect(sandbox.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE TABLE hot (id integer PRIMARY KEY, balance bigint NOT NULL)")
        connection.execute("INSERT INTO hot VALUES (1, 0)")
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(effort.rounds):
        ours.append(asyncio.run(_reservations_per_s(sandbox.dsn(), user_id, effort.seconds)))
        theirs.append(_pgbench(sandbox, effort.seconds))
        say(f"round {number}: {ours[-1]:.0f} holds/s, pgbench {theirs[-1]:.0f} updates/s")
    _check(sandbox, user_id)
    return {"holds_per_s": middle(ours), "pgbench_per_s": middle(theirs), "ratio": ratio(ours, theirs)}


async def _reservations_per_s(dsn: str, user_id: UUID, seconds: float) -> float:
    database = Database(dsn)
    await database.open()
    books = PostgresBooks(database, load_reference_data().rate_cards)
    await _round(books, user_id)  # connects and prepares
    reserved, spent_s = 0, 0.0
    while spent_s < seconds:
        spent_s += await _round(books, user_id)
        reserved += _LIST
    await database.close()
    return reserved / spent_s


async def _round(books: PostgresBooks, user_id: UUID) -> float:
    """Seconds that one list of new orders takes to be held; putting them on record is not counted."""
    orders = [_order(user_id) for _ in range(_LIST)]
    keys = [order.key for order in orders]
    await books.work(Scope(users={user_id}), lambda unit: _open(unit, orders))
    started = time.perf_counter()
    await books.work(Scope(orders=keys), lambda unit: _reserve(unit, keys))
    return time.perf_counter() - started


def _open(unit: Unit, orders: list[Order]) -> None:
    for order in orders:
        unit.books.open_order(order)
        unit.orders.new.append(NewOrder(order, None, StoredAnswer(order.order_id, b"", 202, "")))


def _reserve(unit: Unit, keys: list[OrderKey]) -> None:
    saga_id, deadline = uuid4(), unit.books.at + timedelta(minutes=5)
    for key in keys:
        held = unit.books.reserve(
            key, FundsHeld(saga_id, deadline), lambda *_: Refused(RejectCode.INSUFFICIENT_FUNDS, "")
        )
        if held.state is not State.HELD:
            raise BenchmarkError("an order was refused")


_TERMS = Terms(
    instrument_id="NSE:INFY",
    security_id="INE009A01021",
    segment="EQ",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    product=Product.CNC,
    time_in_force=TimeInForce.DAY,
    quantity=1,
    price=150_000,
    limit_price=150_000,
)


def _order(user_id: UUID) -> Order:
    now = datetime.now(UTC)
    return Order(
        user_id=user_id,
        order_id=new_order_id(user_id, time.time_ns(), uuid4().int),
        terms=_TERMS,
        trade_date=now.date().isoformat(),
        accepted_at=now,
        updated_at=now,
        deadline=now + timedelta(minutes=5),
    )


def _pgbench(sandbox: Sandbox, seconds: float) -> float:
    with NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("UPDATE hot SET balance = balance + 1 WHERE id = 1;\n")
        script.flush()
        words = ["-n", "-M", "prepared", "-f", script.name, "-c", str(_PGBENCH_CLIENTS), "-j", "2"]
        command = [str(binaries() / "pgbench"), *words, "-T", str(max(1, round(seconds))), sandbox.dsn("postgres")]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    found = re.search(r"tps = ([\d.]+)", printed)
    if found is None:
        raise BenchmarkError(f"pgbench printed {printed}")
    return float(found[1])


def _check(sandbox: Sandbox, user_id: UUID) -> None:
    """What is held on the account is the sum of its open holds."""
    with psycopg.connect(sandbox.dsn()) as connection:
        row = connection.execute(
            "SELECT a.held, (SELECT sum(h.amount - h.captured - h.released) FROM holds h WHERE h.user_id = a.user_id) "
            "FROM accounts a WHERE a.user_id = %s AND a.account = 'client.cash'",
            (user_id,),
        ).fetchone()
    if row is None or row[0] != row[1]:
        raise BenchmarkError(f"held and open holds differ: {row}")


if __name__ == "__main__":
    typer.run(main)
