"""Data of an earlier schema after the migrations that came later."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from yoyo import get_backend, read_migrations

from emulators.processes.postgres import PostgresServer
from sandbox.verify import Sources, Terms, costs
from sandbox.verify.model import Inspection
from shared.adapters.postgres.migrate import MIGRATIONS, migrate
from tests.support.values import RATE_CARDS

USER, ORDER, ENTRY, DEPOSIT = (UUID(int=number) for number in (1, 2, 3, 4))
OLD_ROWS = f"""
INSERT INTO users (user_id, display_name, kyc_status, next_sequence) VALUES ('{USER}', 'A user', 'ACTIVE', 5);
INSERT INTO accounts (user_id, account, asset, balance) VALUES
    ('{USER}', 'client.cash', 'INR', 100), ('{USER}', 'client.holdings', 'NSE:INFY', 7);
INSERT INTO transfers (user_id, entry_id, debit_account, credit_account, asset, amount, reason, order_id, booked_at)
VALUES
    ('{USER}', '{DEPOSIT}', 'external.depository', 'client.holdings', 'NSE:INFY', 7, 'opening deposit', NULL, now()),
    ('{USER}', '{ENTRY}', 'clearing', 'client.unsettled_shares', 'NSE:INFY', 3, 'bought', '{ORDER}', now());
INSERT INTO orders (user_id, order_id, instrument_id, side, order_type, product, time_in_force, quantity, limit_price,
    trade_date, accepted_at, updated_at, state, owner, version)
VALUES ('{USER}', '{ORDER}', 'NSE:INFY', 'BUY', 'LIMIT', 'CNC', 'DAY', 3, 100, '2026-11-23', now(), now(), 'NEW',
    'VENUE', 4);
INSERT INTO holds (user_id, order_id, request_id, account, asset, amount) VALUES
    ('{USER}', '{ORDER}', '{ORDER}', 'client.holdings', 'NSE:INFY', 3);
INSERT INTO positions (user_id, instrument_id, opening_quantity) VALUES ('{USER}', 'NSE:INFY', 7);
INSERT INTO trades (trade_date, venue, exec_id, user_id, order_id, instrument_id, side, quantity, price, notional,
    charges, executed_at, booked_at) VALUES
    ('2026-11-23', 'NSE', 'E1', '{USER}', '{ORDER}', 'NSE:INFY', 'BUY', 3, 100, 300, '{{}}', now(), now());
"""
OLD_TRADE = """
INSERT INTO trades (trade_date, venue, exec_id, user_id, order_id, instrument_id, side, quantity, price, notional,
    charges, executed_at, booked_at)
VALUES ('2026-11-23', 'NSE', %(exec_id)s, %(user_id)s, %(user_id)s, 'NSE:INFY', %(side)s, %(quantity)s, %(price)s,
    %(quantity)s::bigint * %(price)s, '{"stt": 3, "gst": 2}', %(executed_at)s, now())
"""
EVENTS = {"Accepted": "PENDING_NEW", "FundsHeld": "PENDING_NEW", "Submitted": "PENDING_NEW", "Acknowledged": "NEW"}


@pytest.fixture
def old_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database as it was before securities were booked by their ids."""
    name = f"old_{uuid4().hex}"
    url = postgres_server.create_database(name)
    backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://"))
    with backend.lock():
        old = read_migrations(str(MIGRATIONS)).filter(lambda migration: migration.id < "0006")
        backend.apply_migrations(backend.to_apply(old))
    with psycopg.connect(url) as connection:
        connection.execute(OLD_ROWS)
        for version, (event, status) in enumerate(EVENTS.items(), start=1):
            payload = {"order_id": str(ORDER), "version": version, "updated_at": str(version), "status": status}
            connection.execute(
                "INSERT INTO order_events (user_id, order_id, version, event, state, detail, at) "
                "VALUES (%s, %s, %s, %s, '', '{}', now())",
                (USER, ORDER, version, event),
            )
            connection.execute(
                "INSERT INTO effects (user_id, sequence, kind, payload, created_at) "
                "VALUES (%s, %s, 'order', %s, now())",
                (USER, version, json.dumps(payload)),
            )
    yield url
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def test_old_rows_name_securities_sources_and_products(old_url: str) -> None:
    migrate(old_url)
    infy = "INE009A01021"
    assert rows(old_url, "SELECT asset, balance FROM accounts ORDER BY 1") == [(infy, 7), ("INR", 100)]
    assert rows(old_url, "SELECT asset, source FROM transfers ORDER BY 2") == [(infy, "OPENING"), (infy, "ORDER")]
    assert rows(old_url, "SELECT security_id, segment, revision FROM orders") == [(infy, "EQ", 4)]
    assert rows(old_url, "SELECT source, source_id, asset FROM holds") == [("ORDER", ORDER, infy)]
    assert rows(old_url, "SELECT security_id, product FROM trades") == [(infy, "CNC")]


def test_old_versions_move_only_with_what_was_visible(old_url: str) -> None:
    migrate(old_url)
    versions = "SELECT revision, version FROM order_events ORDER BY 1"
    assert rows(old_url, versions) == [(1, 1), (2, 1), (3, 1), (4, 2)]
    assert rows(old_url, "SELECT version FROM orders") == [(2,)]
    published = "SELECT sequence, kind, (fact ->> 'version')::integer FROM stream ORDER BY 1"
    assert rows(old_url, published) == [
        (1, "order", 1),
        (2, "balances", None),
        (3, "balances", None),
        (4, "order", 2),
    ]


def test_costs_of_old_trades_are_those_of_their_replay(old_url: str) -> None:
    """Closed and opened again, thirds, trades of one instant, two users: verify finds no difference."""
    random = Random(8)
    with psycopg.connect(old_url) as connection:
        connection.execute("DELETE FROM trades; UPDATE positions SET opening_value = 100")
        connection.execute("INSERT INTO positions (user_id, instrument_id) VALUES (%s, 'NSE:TCS')", (USER,))
        for number in range(300):
            trade = {
                "user_id": UUID(int=1 + number % 2),
                "exec_id": f"E{random.randrange(10**6)}-{number}",
                "side": random.choice(["BUY", "SELL", "SELL"]) if number % 7 else "BUY",
                "quantity": random.randrange(1, 9),
                "price": random.randrange(1, 10**5),
                "executed_at": datetime(2026, 11, 23, 5, 0, random.randrange(40), tzinfo=UTC),
            }
            connection.execute(OLD_TRADE, trade)
    migrate(old_url)
    with psycopg.connect(old_url, row_factory=dict_row) as connection:
        inspection = Inspection(connection, Sources(old_url), Terms(RATE_CARDS), datetime.now(UTC))
        assert [violation for check in costs.checks() for violation in check.run(inspection)] == []
    assert rows(old_url, "SELECT count(*), count(cost_before) FROM trades") == [(300, 300)]
    opened = "SELECT security_id, opening_quantity, opening_value FROM costs ORDER BY user_id, opening_quantity"
    assert rows(old_url, opened) == [("INE467B01029", 0, 0), ("INE009A01021", 7, 100), ("INE009A01021", 0, 0)]
    sums = "SELECT sum(buy_value + sell_value)::bigint, sum(charges)::bigint FROM positions"
    assert rows(old_url, sums) == rows(old_url, "SELECT sum(notional)::bigint, count(*) * 5 FROM trades")
