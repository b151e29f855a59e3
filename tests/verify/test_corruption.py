"""Every invariant has its failing case: one corrupted row, and the check that must name it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row

from sandbox.verify import Sources, Terms, Violation, costs, histories, statements, verify
from sandbox.verify.model import Inspection
from sandbox.verify.queries import load
from tests.verify.conftest import Prepared
from tests.verify.world import ALICE, BOB, RATE_CARDS, World


@dataclass(frozen=True)
class Corruption:
    """What is done to a healthy database, and who must notice. `{name}` is the id of an order or a saga."""

    invariant: int
    check: str
    statement: str


_COPY_ORDER = """
CREATE TEMP TABLE twin AS SELECT * FROM orders WHERE order_id = '{waiting}';
UPDATE twin SET {change};
ALTER TABLE orders ALTER COLUMN ended_as DROP EXPRESSION;
INSERT INTO orders SELECT * FROM twin
"""
_FREE_KEYS = "DROP INDEX orders_by_client_order_id;"
_FREE_BALANCES = """
ALTER TABLE accounts DROP CONSTRAINT available_is_never_negative;
ALTER TABLE accounts DROP CONSTRAINT accounts_held_check;
"""

_AVERAGE = "what a security cost is the moving average of its openings and trades"
_LOTS = "sales consume purchases first in, first out"

CORRUPTIONS = [
    Corruption(
        1,
        "transfers move a known asset between known accounts",
        "UPDATE transfers SET credit_account = 'house.pocket' WHERE credit_account = 'tax'",
    ),
    Corruption(
        1,
        "transfers move a known asset between known accounts",
        "UPDATE transfers SET asset = 'INE009A01021' WHERE credit_account = 'client.cash'",
    ),
    Corruption(
        1,
        "an entry is one transaction of one source",
        "UPDATE transfers SET booked_at = booked_at - interval '1 s' WHERE credit_account = 'exchange.fees'",
    ),
    Corruption(
        1,
        "a trade's ledger entry moves exactly its value, shares and charges",
        "UPDATE transfers SET credit_account = 'house.brokerage' WHERE transfer_no = "
        "(SELECT min(transfer_no) FROM transfers WHERE credit_account = 'tax')",
    ),
    Corruption(
        1,
        "a trade's ledger entry moves exactly its value, shares and charges",
        "UPDATE transfers SET order_id = NULL, source = 'JOURNAL' WHERE credit_account = 'client.unsettled_cash'",
    ),
    Corruption(
        2,
        "client balances equal their transfers",
        "UPDATE accounts SET balance = balance + 1 WHERE account = 'client.cash' AND user_id = '{bob}'",
    ),
    Corruption(
        2,
        "client balances equal their transfers",
        "UPDATE transfers SET amount = amount + 1 WHERE transfer_no = (SELECT max(transfer_no) FROM transfers)",
    ),
    Corruption(2, "client balances equal their transfers", "DELETE FROM accounts WHERE asset = 'INE040A01034'"),
    Corruption(
        2,
        "the checkpoint equals its transfers",
        "INSERT INTO ledger_checkpoint (xact, taken_at) VALUES ('9999999', now())",
    ),
    Corruption(
        2,
        "cash and shares are conserved from the deposits",
        "UPDATE accounts SET balance = balance + 100 WHERE asset = 'INE062A01020' AND account = 'client.holdings'",
    ),
    Corruption(
        2,
        "orders never create money or shares",
        "UPDATE transfers SET order_id = '{filled}', source = 'ORDER' "
        "WHERE debit_account = 'external.bank' AND user_id = '{alice}'",
    ),
    Corruption(
        3,
        "an account holds the sum of its open holds",
        "UPDATE accounts SET held = held - 1 WHERE account = 'client.cash' AND user_id = '{alice}'",
    ),
    Corruption(
        3,
        "a hold captures and releases at most its amount",
        "ALTER TABLE holds DROP CONSTRAINT holds_check; "
        "UPDATE holds SET released = released + 1 WHERE source_id = '{filled}'",
    ),
    Corruption(
        3,
        "a hold captured exactly what its trades cost",
        "UPDATE holds SET captured = captured - 1, released = released + 1 WHERE source_id = '{filled}'",
    ),
    Corruption(
        3,
        "a hold is what the history placed, captured and released",
        "UPDATE holds SET amount = amount + 7, released = released + 7 WHERE source_id = '{working}'",
    ),
    Corruption(
        3,
        "a BUY holds cash and a SELL holds its shares",
        "UPDATE holds SET asset = 'INE009A01021' WHERE source_id = '{working}'",
    ),
    Corruption(
        4, "terminal orders hold nothing", "UPDATE holds SET released = released - 1 WHERE source_id = '{canceled}'"
    ),
    Corruption(4, "working orders have a hold", "DELETE FROM holds WHERE source_id = '{held}'"),
    Corruption(
        4,
        "a working order's hold is its worst case",
        "UPDATE holds SET released = released + 1 WHERE source_id = '{partly}'",
    ),
    Corruption(
        4,
        "a working order's hold is its worst case",
        "UPDATE holds SET amount = amount + 1 WHERE source_id = '{partly}'",
    ),
    Corruption(
        5,
        "available is not negative",
        _FREE_BALANCES + "UPDATE accounts SET held = balance + 1 WHERE asset = 'INE018A01030' AND user_id = '{bob}'",
    ),
    Corruption(5, "the database refuses negative balances", _FREE_BALANCES),
    Corruption(
        5,
        "no balance was ever negative",
        "ALTER TABLE transfers ALTER transfer_no DROP IDENTITY; UPDATE transfers SET transfer_no = 900000 "
        "WHERE debit_account = 'external.bank' AND user_id = '{alice}'",
    ),
    Corruption(
        6,
        "one order per idempotency key",
        "UPDATE order_answers SET idempotency_key = 'twice' WHERE user_id = '{bob}'",
    ),
    Corruption(
        6,
        "one order per client order id",
        _FREE_KEYS + _COPY_ORDER.replace("{change}", "order_id = gen_random_uuid()"),
    ),
    Corruption(
        6,
        "an order id belongs to one user",
        _FREE_KEYS + _COPY_ORDER.replace("{change}", "user_id = '{bob}'"),
    ),
    Corruption(
        6,
        "the stored answer is the verdict on record",
        "UPDATE order_answers SET answer_status = 202 WHERE order_id = '{refused}'",
    ),
    Corruption(
        6,
        "the stored answer is the verdict on record",
        "UPDATE order_answers SET answer_body = left(answer_body, 20) WHERE order_id = '{filled}'",
    ),
    Corruption(
        6,
        "the stored answer is the verdict on record",
        "DELETE FROM order_events WHERE order_id = '{refused}'",
    ),
    Corruption(
        8,
        "every open order has an owner and a deadline not long past",
        "UPDATE orders SET deadline = now() - interval '1 hour' WHERE order_id = '{working}'",
    ),
    Corruption(
        8,
        "every open order has an owner and a deadline not long past",
        "UPDATE orders SET owner = 'NOBODY' WHERE order_id = '{working}'",
    ),
    Corruption(
        8,
        "ended orders have neither owner nor deadline",
        "UPDATE orders SET owner = 'VENUE', deadline = now() WHERE order_id = '{filled}'",
    ),
    Corruption(8, "deadlines at the exchange are watched", "DELETE FROM order_deadlines"),
    Corruption(8, "a waiting order is in one queue or one saga", "DELETE FROM dispatch_queue"),
    Corruption(
        8,
        "a waiting order is in one queue or one saga",
        "INSERT INTO saga_orders VALUES ('{saga:running}', '{alice}', '{waiting}')",
    ),
    Corruption(8, "a sagas order is a member of that saga", "DELETE FROM saga_orders WHERE order_id = '{held}'"),
    Corruption(
        8,
        "an order joins one saga",
        "INSERT INTO saga_orders VALUES ('{saga:running}', '{alice}', '{filled}')",
    ),
    Corruption(8, "sagas count their orders", "UPDATE sagas SET unanswered = 0 WHERE saga_id = '{saga:main}'"),
    Corruption(8, "sagas count their orders", "UPDATE sagas SET orders = 2 WHERE saga_id = '{saga:running}'"),
    Corruption(8, "doubt is on the operations list", "DELETE FROM in_doubt"),
    Corruption(8, "a settled doubt says who and why", "UPDATE in_doubt SET resolved_at = now()"),
    Corruption(
        8,
        "an order moves by legal transitions only",
        "UPDATE order_events SET event = 'FundsHeld', state = 'HELD' WHERE order_id = '{filled}' AND revision = 5",
    ),
    Corruption(
        8,
        "an order moves by legal transitions only",
        "DELETE FROM order_events WHERE order_id = '{filled}' AND revision = 3",
    ),
    Corruption(
        8,
        "an order moves by legal transitions only",
        "UPDATE order_events SET state = 'FILLED' WHERE order_id = '{partly}' AND revision = 5",
    ),
    Corruption(
        8,
        "an order is what its history makes of it",
        "UPDATE orders SET exchange_order_id = 'X-other' WHERE order_id = '{working}'",
    ),
    Corruption(
        8,
        "an order is what its history makes of it",
        "UPDATE orders SET answered_at = answered_at + interval '1 us' WHERE order_id = '{filled}'",
    ),
    Corruption(8, "an order's values are legal", "UPDATE orders SET state = 'LOST' WHERE order_id = '{working}'"),
    Corruption(
        8,
        "nothing names an order that does not exist",
        "INSERT INTO dispatch_queue (user_id, order_id, accepted_at) VALUES ('{alice}', gen_random_uuid(), now())",
    ),
    Corruption(
        9,
        "finished sagas leave no order behind",
        "UPDATE sagas SET finished_at = now() WHERE saga_id = '{saga:running}'",
    ),
    Corruption(
        9,
        "a compensated order is refused and holds nothing",
        "UPDATE holds SET released = 0 WHERE source_id = '{compensated}'",
    ),
    Corruption(
        9,
        "an order ends once",
        "INSERT INTO order_events SELECT user_id, order_id, version, event, state, detail, at, revision + 1 "
        "FROM order_events WHERE order_id = '{compensated}' AND state = 'REJECTED'",
    ),
    Corruption(
        10, "an order is the sum of its trades", "UPDATE orders SET notional = notional + 1 WHERE order_id = '{filled}'"
    ),
    Corruption(
        10,
        "an order is the sum of its trades",
        "UPDATE trades SET order_id = '{working}' WHERE exec_id = (SELECT min(exec_id) FROM trades)",
    ),
    Corruption(10, "a trade fits its order", "UPDATE trades SET price = price + 1 WHERE order_id = '{filled}'"),
    Corruption(10, "a trade fits its order", "UPDATE trades SET side = 'SELL' WHERE order_id = '{filled}'"),
    Corruption(
        10, "an order's fills are its trades", "UPDATE trades SET exec_id = 'E-other' WHERE order_id = '{partly}'"
    ),
    Corruption(
        11,
        "positions equal the replay of trades",
        "UPDATE positions SET sell_value = sell_value + 1 WHERE user_id = '{bob}' AND instrument_id = 'NSE:INFY'",
    ),
    Corruption(11, "positions equal the replay of trades", "DELETE FROM positions WHERE user_id = '{alice}'"),
    Corruption(
        11,
        "holdings equal what came in and was traded",
        "UPDATE costs SET opening_quantity = opening_quantity + 1 WHERE security_id = 'INE018A01030'",
    ),
    Corruption(
        11,
        "holdings equal what came in and was traded",
        "UPDATE trades SET security_id = 'INE467B01029' WHERE order_id = '{partly}'",
    ),
    Corruption(11, _AVERAGE, "UPDATE costs SET cost = cost + 1 WHERE user_id = '{alice}'"),
    Corruption(11, _AVERAGE, "UPDATE costs SET opening_value = opening_value + 1 WHERE security_id = 'INE018A01030'"),
    Corruption(11, _AVERAGE, "UPDATE trades SET cost_before = cost_before - 1 WHERE order_id = '{partly}'"),
    Corruption(11, _AVERAGE, "UPDATE trades SET bought_before = NULL WHERE order_id = '{canceled}'"),
    Corruption(
        11, _AVERAGE, "UPDATE trades SET executed_at = executed_at + interval '1 s' WHERE order_id = '{filled}'"
    ),
    Corruption(11, _AVERAGE, "DELETE FROM costs WHERE user_id = '{bob}'"),
    Corruption(11, _LOTS, "UPDATE trades SET bought_before = bought_before + 1 WHERE order_id = '{filled}'"),
    Corruption(11, _LOTS, "UPDATE trades SET sold_before = sold_before + 148 WHERE order_id = '{partly}'"),
    Corruption(11, _LOTS, "UPDATE costs SET sold = sold + 1 WHERE security_id = 'INE009A01021'"),
    Corruption(
        13, "sequences have no gap", "UPDATE users SET next_sequence = next_sequence + 1 WHERE user_id = '{bob}'"
    ),
    Corruption(13, "sequences have no gap", "DELETE FROM effects WHERE user_id = '{bob}' AND sequence = 3"),
    Corruption(13, "sequences have no gap", "DELETE FROM effects WHERE user_id = '{bob}' AND sequence = 1"),
    Corruption(
        13,
        "every visible change of an order is published once",
        "UPDATE effects SET facts = replace(facts::text, '\"version\":1', '\"version\":9')::json WHERE sequence = 2",
    ),
    Corruption(
        13,
        "every trade is published once",
        "UPDATE effects SET facts = replace(facts::text, 'NSE/', 'BSE/')::json",
    ),
    Corruption(
        13,
        "the last balance published is the balance",
        "UPDATE accounts SET balance = balance + 1, held = held + 1 WHERE account = 'client.cash'",
    ),
    Corruption(
        17,
        "outboxes are empty",
        "INSERT INTO effects_outbox VALUES (gen_random_uuid(), now() - interval '1 hour', '{{}}', '{{}}')",
    ),
    Corruption(
        17, "outboxes are empty", "INSERT INTO exchange_outbox VALUES (gen_random_uuid(), '1', '', '2026-01-01')"
    ),
    Corruption(17, "rows have their partition", "UPDATE effects SET created_at = '2026-01-01' WHERE sequence = 1"),
    Corruption(
        17, "nothing waits and no saga runs", "UPDATE dispatch_queue SET accepted_at = now() - interval '1 hour'"
    ),
]


@pytest.fixture(scope="module")
def database(prepared: Prepared) -> str:
    return prepared.copy("busy")


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda each: f"{each.invariant}-{each.statement[:60]}")
def test_corrupted_row_is_named(corruption: Corruption, busy_world: World, database: str) -> None:
    with psycopg.connect(database, row_factory=dict_row) as connection:
        connection.execute(_filled_in(corruption.statement, busy_world))
        inspection = Inspection(connection, Sources(database), Terms(RATE_CARDS), datetime.now(UTC))
        checks = (*statements.checks(), *histories.checks(), *costs.checks())
        found = {(each.invariant, each.check) for check in checks for each in check.run(inspection)}
        connection.rollback()
    assert (corruption.invariant, corruption.check) in found


def test_every_statement_has_its_failing_case() -> None:
    proved = {(each.invariant, each.check) for each in CORRUPTIONS}
    written = {(int(name[1:3]), name[4:].removesuffix("_settling").replace("_", " ")) for name in load("broker.sql")}
    assert written - proved == set()


def test_first_violation_shows_its_rows(copy: Callable[[str], str]) -> None:
    dsn = copy("busy")
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE accounts SET balance = balance + 1 WHERE asset = 'INE018A01030'")
    first = _violations(dsn)[0]
    assert first.invariant == 2
    assert f"user_id={BOB}" in str(first)
    assert "asset=INE018A01030" in str(first)


def test_waiting_order_is_a_violation_at_rest(copy: Callable[[str], str]) -> None:
    verdict = verify(Sources(copy("busy")), Terms(RATE_CARDS, at_rest=True, settle_s=0))
    assert {violation.check for violation in verdict.violations} == {
        "nothing waits and no saga runs",
        "outboxes are empty",
    }


def _violations(dsn: str) -> list[Violation]:
    # Nothing moves here, so one look back and one pause are enough to see what stays.
    terms = Terms(RATE_CARDS, settle_s=0.3)
    return verify(Sources(dsn), terms, pause=lambda _: None).violations


def _filled_in(statement: str, world: World) -> str:
    values = {"alice": str(ALICE), "bob": str(BOB)} | {name: str(key[1]) for name, key in world.orders.items()}
    for name, saga_id in world.sagas.items():
        statement = statement.replace(f"{{saga:{name}}}", str(saga_id))
    for name, value in values.items():
        statement = statement.replace(f"{{{name}}}", value)
    return statement.replace("{{", "{").replace("}}", "}")
