"""`python -m bench.cost`: write-ahead log and round trips of an order, alone and in lists of fifty, table by table.

One process runs the order core on a database of its own, without the host, the engine, the bus and the exchange: an
order is placed, held, submitted, acknowledged, filled and its saga confirmed. The server writes no whole pages, so the
log has only what the orders cause. Figures are exact and do not depend on the machine's load.
"""

import asyncio
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import typer

from bench.report import Quick, result, say
from bench.round_trips import RoundTrips, counting_proxy
from bench.written import WriteAheadLog, Written, write_ahead_log
from emulators.processes.postgres import PostgresServer
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.migrate import migrate
from shared.application.orders.judge import PlaceCall
from shared.application.publishing import GATHER_S
from shared.contracts.orders import PlaceOrder
from shared.domain.orders.order import OrderKey
from shared.domain.orders.terms import OrderType, Product, Side
from tests.support.broker import Broker, a_user, fill, report

_LIST: Final = 50
_DATABASE: Final = "broker"


def main(orders: int = 400, *, quick: Quick = False) -> None:
    """Measure, print one JSON line."""
    count = 100 if quick else orders
    with TemporaryDirectory(prefix="bench-cost-") as folder:
        server = PostgresServer.start(Path(folder) / "postgres", fsync=False)
        try:
            url = server.create_database(_DATABASE)
            migrate(url)
            with write_ahead_log(url, images=False) as log, counting_proxy(server.port) as (port, trips):
                proxied = url.replace(f":{server.port}/", f":{port}/")
                figures = {
                    name: asyncio.run(_measure(proxied, url, log, trips, size, count))
                    for name, size in (("alone", 1), ("in_lists", _LIST))
                }
        finally:
            server.stop()
    result("cost", {"orders": count, "list": _LIST} | figures)


async def _measure(dsn: str, url: str, log: WriteAheadLog, trips: RoundTrips, size: int, orders: int) -> dict[str, Any]:
    database = Database(dsn, most=4)
    await database.open()
    try:
        customers = _Customers(Broker(database, url, gather_marks_s=GATHER_S), size)
        await customers.open_accounts()
        for _ in range(3):
            await customers.trade()
        await asyncio.sleep(2 * GATHER_S)
        position, before = log.position(), trips.count
        for _ in range(orders // size):
            await customers.trade()
        await asyncio.sleep(2 * GATHER_S)
        asked, written = trips.count - before, log.since(position)
    finally:
        await database.close()
    figures = _figures(written, asked, orders)
    say(f"{size} a list: {figures['log_kb']} KB of log, {figures['round_trips']} round trips an order")
    return figures


def _figures(written: Written, asked: int, orders: int) -> dict[str, Any]:
    tables = sorted(written.relations.items(), key=lambda item: -item[1].bytes)
    kinds = sorted(written.kinds.items(), key=lambda item: -item[1].bytes)
    return {
        "log_kb": round(written.bytes / orders / 1e3, 2),
        "round_trips": round(asked / orders, 2),
        "commits": round(sum(written.commits.values()) / orders, 2),
        "bytes_by_table": {name: round(tally.bytes / orders) for (_, name), tally in tables if tally.bytes >= orders},
        "records_by_table": {name: round(tally.records / orders, 2) for (_, name), tally in tables},
        "bytes_by_kind": {name: round(tally.bytes / orders) for name, tally in kinds if tally.bytes >= orders},
    }


class _Customers:
    """Fifty customers who buy and sell in turn, and an exchange that fills each order at once."""

    def __init__(self, broker: Broker, size: int) -> None:
        self._broker = broker
        self._size = size
        self._users = [a_user(1_000 * size + number) for number in range(_LIST)]
        # Ids of executions are unique: the other size has traded in the same database.
        self._places = count(1_000_000 * size)

    async def open_accounts(self) -> None:
        await self._broker.open_accounts(self._users)

    async def trade(self) -> None:
        """One saga, from its orders' placing to its end."""
        broker, sides = self._broker, dict[OrderKey, Side]()
        placed = [self._place(next(self._places), sides) for _ in range(self._size)]
        keys = await asyncio.gather(*placed)
        await broker.dispatcher.run(broker.sagas)
        saga_id = broker.sagas.started[-1]
        await broker.saga.reserve_funds(saga_id, broker.sagas)
        await broker.saga.submit_to_exchange(saga_id, broker.sagas)
        await broker.receive(*(each for key in keys for each in _answers(key, sides[key], next(self._places))))
        await broker.saga.confirm(saga_id, broker.sagas)

    async def _place(self, place: int, sides: dict[OrderKey, Side]) -> OrderKey:
        user_id, side = self._users[place % _LIST], Side.BUY if place // _LIST % 2 else Side.SELL
        command = PlaceOrder(
            instrument_id="NSE:INFY",
            side=side,
            order_type=OrderType.LIMIT,
            product=Product.CNC,
            quantity=10,
            price="1500.00",
            client_order_id=f"order-{self._size}-{place}",
        )
        call = PlaceCall(user_id, command, uuid4().hex, "0123456789abcdef01234567")
        placed = await self._broker.place_orders.place(call, self._broker.sagas)
        key = OrderKey(user_id, placed.order_id)
        sides[key] = side
        return key


def _answers(key: OrderKey, side: Side, number: int) -> list[dict[str, Any]]:
    """An acknowledgement and a fill, with ids as long as the exchange's."""
    common: dict[str, Any] = {"side": side.value, "exchange_order_id": f"X{number:012d}"}
    taken = report(key, exec_id=f"E{number:012d}-0", report_sequence=1, **common)
    filled = fill(key, exec_id=f"E{number:012d}-1", report_sequence=2, match_id=f"M{number:012d}-1", **common)
    return [taken, filled | {"order_status": "FILLED"}]


if __name__ == "__main__":
    typer.run(main)
