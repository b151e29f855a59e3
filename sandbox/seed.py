"""Open the demo users' accounts: `python -m sandbox.seed` with POSTGRES_URL and SANDBOX_DEMO.

Deposits are ledger transactions like any other, so cash and shares are conserved from the first row.
Safe to repeat: a user who exists already is left as he is.
"""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg

from sandbox.demo import DEMO_FILE, Demo, DemoUser
from shared.adapters.reference_data import load_reference_data
from shared.domain.ledger import INR, Account

_PAISE_PER_RUPEE = 100
_USER = """
INSERT INTO users (user_id, display_name, kyc_status) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING user_id
"""
_TRANSFER = """
INSERT INTO transfers (user_id, entry_id, debit_account, credit_account, asset, amount, reason, booked_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, now())
"""
_ACCOUNT = "INSERT INTO accounts (user_id, account, asset, balance) VALUES (%s, %s, %s, %s)"
_POSITION = """
INSERT INTO positions (user_id, instrument_id, opening_quantity, opening_value) VALUES (%s, %s, %s, %s)
"""


def seed(connection: psycopg.Connection[Any], demo: Demo) -> int:
    """Open accounts for the demo users who have none; returns how many were opened."""
    opened = 0
    for user in demo.users:
        made = connection.execute(_USER, (user.id, user.full_name, user.kyc)).fetchone()
        if made is not None:
            _deposit(connection, user)
            opened += 1
    connection.commit()
    return opened


def _deposit(connection: psycopg.Connection[Any], user: DemoUser) -> None:
    for debit, credit, asset, amount in _deposits(user):
        entry_id: UUID = uuid5(user.id, f"opening deposit/{asset}")
        row = (user.id, entry_id, debit.value, credit.value, asset, amount, "opening deposit")
        connection.execute(_TRANSFER, row)
        connection.execute(_ACCOUNT, (user.id, credit.value, asset, amount))
    for instrument_id, quantity in user.holdings.items():
        value = quantity * _reference_price(instrument_id)
        connection.execute(_POSITION, (user.id, instrument_id, quantity, value))


def _deposits(user: DemoUser) -> Iterator[tuple[Account, Account, str, int]]:
    cash = int(user.cash_inr * _PAISE_PER_RUPEE)
    if cash:
        yield Account.BANK, Account.CASH, INR, cash
    for instrument_id, quantity in user.holdings.items():
        if quantity:
            yield Account.DEPOSITORY, Account.HOLDINGS, instrument_id, quantity


def _reference_price(instrument_id: str) -> int:
    instrument = load_reference_data().instruments.find(instrument_id, datetime.now(UTC).date())
    if instrument is None:
        sys.exit(f"The demo file gives shares of {instrument_id}, which is not in shared/data/instruments.csv")
    return instrument.reference_price_paise


def main() -> None:
    """Seed the database named by POSTGRES_URL."""
    demo = Demo.read(Path(os.environ.get("SANDBOX_DEMO", DEMO_FILE)))
    with psycopg.connect(os.environ["POSTGRES_URL"]) as connection:
        opened = seed(connection, demo)
    sys.stdout.write(f"opened accounts for {opened} demo user(s)\n")


if __name__ == "__main__":
    main()
