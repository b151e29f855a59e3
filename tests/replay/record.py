"""Run the scenarios whose histories are stored, on a sandbox of their own: `python -m tests.replay.record`.

Needed only when the orchestrators change on purpose in a way that old instances need not survive.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.faults import failing_inserts
from tests.e2e.world import Broker, Client, eventually, write_demo
from tests.replay.stored import export

_SETTINGS = {"EXCHANGE_EXPIRE_AFTER_S": "2.5", "EXCHANGE_ANSWER_DEADLINE_S": "3", "SAGAS_IN_FLIGHT": "1"}
_MARKET = {"order_type": "MARKET", "price": None, "quantity": 1}


def record(broker: Broker) -> None:
    """Every scenario, one after the other."""
    trader = broker.trader()
    _save(broker, trader.order(**_MARKET), "order_saga_filled_1")
    _record_many(broker, trader)
    record_locked(broker, trader)
    with failing_inserts(broker, "exchange_outbox", sqlstate="57P03"):
        compensated = trader.order(**_MARKET)
        trader.until(compensated, "REJECTED")
    _save(broker, compensated, "order_saga_compensated")
    broker.faults(silent=True)
    settled = trader.order(**_MARKET)
    eventually(lambda: broker.ask("SELECT owner = 'RECOVERY' FROM orders WHERE order_id = %s", settled), "recovery")
    broker.faults()
    trader.until(settled, "FILLED")
    _save(broker, settled, "order_saga_unanswered")
    _save_recovery(broker, settled, "order_recovery_settled")
    broker.faults(deaf=True)
    doubted = trader.order(**_MARKET)
    eventually(lambda: broker.ask("SELECT in_doubt FROM orders WHERE order_id = %s", doubted), "the doubt")
    broker.faults()
    trader.until(doubted, "REJECTED")
    _save_recovery(broker, doubted, "order_recovery_in_doubt")


def _record_many(broker: Broker, first: Client) -> None:
    """50 orders gather while the one saga that may run waits for a slow exchange."""
    traders = [broker.trader() for _ in range(10)]
    broker.faults(slow_ms=2000)
    first.order(**_MARKET)
    with ThreadPoolExecutor(10) as pool:
        orders = list(pool.map(lambda number: traders[number % 10].order(**_MARKET), range(50)))
    broker.faults()
    traders[0].until(orders[0], "FILLED")
    count = "SELECT orders FROM sagas JOIN saga_orders USING (saga_id) WHERE order_id = %s"
    assert broker.ask(count, orders[0]) == len(orders), "the orders did not gather: record again on a quiet machine"
    _save(broker, orders[0], "order_saga_filled_50")


def record_locked(broker: Broker, first: Client) -> None:
    """One of two users of a saga is locked when their orders' turn comes: the other's order is filled meanwhile."""
    locked, free = broker.trader(), broker.trader()
    broker.faults(slow_ms=2000)
    first.order(**_MARKET)
    orders = [trader.order(**_MARKET) for trader in (locked, free)]
    with psycopg.connect(broker.sandbox.dsn()) as connection:
        connection.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (locked.user_id,))
        broker.faults()
        free.until(orders[1], "FILLED")
        assert broker.ask("SELECT state = 'ACCEPTED' FROM orders WHERE order_id = %s", orders[0])
    locked.until(orders[0], "FILLED")
    together = "SELECT count(*) = 2 FROM saga_orders WHERE order_id = ANY(%s::uuid[]) GROUP BY saga_id"
    assert broker.ask(together, orders), "the orders did not gather: record again on a quiet machine"
    _save(broker, orders[0], "order_saga_locked")


def _save(broker: Broker, order_id: str, name: str) -> None:
    saga_id = eventually(lambda: broker.ask("SELECT saga_id FROM saga_orders WHERE order_id = %s", order_id), "a saga")
    eventually(lambda: export(broker.sandbox.dsn("durable"), f"saga-{saga_id}", name), name)


def _save_recovery(broker: Broker, order_id: str, name: str) -> None:
    eventually(lambda: export(broker.sandbox.dsn("durable"), f"recovery-{order_id}", name), name)


def main() -> None:
    """Record everything anew."""
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        options = SandboxOptions(demo=write_demo(Path(folder) / "demo.json", 20), settings=_SETTINGS)
        with Sandbox.start(Path(folder) / "data", options) as sandbox:
            record(Broker.of(sandbox))


if __name__ == "__main__":
    main()
