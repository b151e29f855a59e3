"""What one user's trades cost to read: as many pages at 100,000 as at 1,000, by plans made when there were none."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection, sql

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.domain.orders.order import OrderKey
from tests.support.broker import Broker
from tests.support.values import ALICE, INFY

# One a millisecond, every hundredth in TCS; first a thousand in the middle, then those before and after them.
STAGES = (((49_501, 50_500),), ((1, 49_500), (50_501, 100_000)))
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
_TRADES = f"""
INSERT INTO trades (trade_date, venue, exec_id, user_id, order_id, instrument_id, security_id, product, side, quantity,
    price, notional, charges, executed_at, booked_at, bought_before, sold_before, cost_before)
SELECT '2026-11-23', 'NSE', 'E' || lpad(n::text, 9, '0'), '{ALICE}', gen_random_uuid(),
       CASE WHEN n %% 100 = 0 THEN 'NSE:TCS' ELSE 'NSE:INFY' END,
       CASE WHEN n %% 100 = 0 THEN 'INE467B01029' ELSE '{INFY}' END, 'CNC', 'BUY', 1, 100, 100, '{{}}', at, at, n, 0, n
FROM (SELECT n, timestamptz '{NOON}' + n * interval '1 millisecond' AS at
      FROM generate_series(%s::int, %s::int) AS n) AS made
"""
_POSITION = "INSERT INTO positions VALUES (%s, '2026-11-23', 'NSE:INFY', 'CNC', 99000, 9900000, 0, 0, 0)"
_COST = f"INSERT INTO costs VALUES (%s, %s, 0, 0, 99000, 0, 9900000, '2026-11-23', '{NOON + timedelta(minutes=2)}')"
_CLOCK = f"INSERT INTO market_clock SELECT true, extract(epoch FROM timestamptz '{NOON}' - now()) * 1e6"


@dataclass(frozen=True)
class Read:
    """A statement with its values, prepared under a name."""

    name: str
    statement: str
    values: dict[str, Any]

    @property
    def parameters(self) -> list[str]:
        return list(dict.fromkeys(re.findall(r"%\((\w+)\)s", self.statement)))

    async def prepare(self, connection: AsyncConnection) -> None:
        text = self.statement
        for place, parameter in enumerate(self.parameters, start=1):
            text = text.replace(f"%({parameter})s", f"${place}")
        await connection.execute(f"PREPARE {self.name} AS {text.replace('%%', '%')}".encode(), prepare=False)
        await self.pages(connection)

    async def pages(self, connection: AsyncConnection) -> int:
        """How many pages it touches now."""
        values = sql.SQL(", ").join(sql.Literal(self.values[parameter]) for parameter in self.parameters)
        explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {}({})")
        cursor = await connection.execute(explain.format(sql.Identifier(self.name), values), prepare=False)
        row = await cursor.fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _reads(key: OrderKey, newest: int) -> list[Read]:
    reads = {**load("trades.sql"), **load("portfolios.sql")}
    books, user = load("books.sql"), {"user_id": str(ALICE)}
    late = {"user_id": str(key.user_id), "order_id": str(key.order_id), "trade_date": "2026-11-23"}
    late["executed_at"] = str(NOON + timedelta(milliseconds=newest - 200))
    page = user | {"limit": 201, "from_date": "0001-01-01"}
    first = {"trade_date": "9999-12-31", "executed_at": "0001-01-01 00:00Z", "exec_id": "", "venue": ""}
    middle = {"trade_date": "2026-11-23", "executed_at": str(NOON + timedelta(seconds=50)), "exec_id": "E", "venue": ""}
    return [
        Read("portfolio", reads["portfolio"], user),
        Read("newest_trades", reads["trades"], page | first),
        Read("later_page", reads["trades"], page | middle),
        Read("earlier_days", reads["trades"], page | first | {"trade_date": "2026-11-23"}),
        Read("one_instrument", reads["trades_of_instrument"], page | first | {"instrument_id": "NSE:TCS", "limit": 9}),
        Read("its_later_page", reads["trades_of_instrument"], page | middle | {"instrument_id": "NSE:TCS", "limit": 4}),
        Read("late_fill", books["load_orders_and_costs"], {"keys": json.dumps([late])}),
    ]


async def test_reading_trades_costs_the_same_at_any_history(broker: Broker, database: Database) -> None:
    [key] = await broker.place()
    broker.rows(_POSITION, ALICE)
    broker.rows(_COST, ALICE, INFY)
    broker.rows(_CLOCK)
    pages = []
    async with database.connection() as connection:
        for read in _reads(key, newest=0):
            await read.prepare(connection)
        for stage in STAGES:
            for first, last in stage:
                broker.rows(_TRADES, first, last)
            broker.rows("VACUUM trades")  # looks once at what the inserts have left behind
            reads = _reads(key, newest=stage[-1][-1])
            pages.append({read.name: await read.pages(connection) for read in reads})
    few, many = pages
    assert {name: (few[name], many[name]) for name in few if not 0 < many[name] <= 1.5 * few[name]} == {}
