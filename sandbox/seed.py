"""Open the demo users' accounts: `python -m sandbox.seed` with POSTGRES_URL and SANDBOX_DEMO.

Deposits are ledger entries like any other, so cash and shares are conserved from the first row. Safe to repeat, also
after a crash halfway: a user who exists and an entry that is posted are left as they are.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid5

from sandbox.demo import DEMO_FILE, Demo, DemoUser
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.database import Database
from shared.adapters.reference import load_reference_data
from shared.domain.instruments.instrument import Instrument
from shared.domain.ledger.accounts import INR, Account, AssetKey
from shared.domain.ledger.entries import Acquisition, Entry, EntrySource, Leg, LegReason
from shared.domain.orders.terms import Product
from shared.ports.books import Scope

_PAISE_PER_RUPEE: Final = 100
_USER: Final = """
INSERT INTO users (user_id, display_name, kyc_status) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING user_id
"""


async def seed(url: str, demo: Demo) -> int:
    """Open accounts for the demo users who have none; returns how many were opened."""
    database = Database(url, most=2)
    await database.open()
    try:
        books = PostgresBooks(database, load_reference_data().rate_cards)
        return sum([await _open(database, books, user) for user in demo.users])
    finally:
        await database.close()


async def _open(database: Database, books: PostgresBooks, user: DemoUser) -> bool:
    async with database.connection() as connection:
        cursor = await connection.execute(_USER, (user.id, user.full_name, user.kyc))
        opened = await cursor.fetchone() is not None
    deposits = list(_deposits(user))
    scope = Scope(
        entries=[deposit.key for deposit in deposits],
        assets={AssetKey(user.id, leg.asset) for deposit in deposits for leg in deposit.legs},
    )
    if deposits:
        await books.work(scope, lambda unit: [unit.books.post(deposit) for deposit in deposits])
    return opened


def _deposits(user: DemoUser) -> Iterator[Entry]:
    cash = int(user.cash_inr * _PAISE_PER_RUPEE)
    if cash:
        yield _deposit(user, INR, Leg(Account.BANK, Account.CASH, INR, cash, LegReason.OPENING_DEPOSIT))
    for instrument_id, quantity in user.holdings.items():
        if quantity:
            instrument = _instrument(instrument_id)
            security_id, value = instrument.security_id, quantity * instrument.reference_price_paise
            yield _deposit(
                user,
                instrument_id,
                Leg(Account.DEPOSITORY, Account.HOLDINGS, security_id, quantity, LegReason.OPENING_DEPOSIT),
                Acquisition(instrument_id, Product.CNC, security_id, quantity, value),
            )


def _deposit(user: DemoUser, what: str, leg: Leg, *acquired: Acquisition) -> Entry:
    return Entry(user.id, uuid5(user.id, f"opening deposit/{what}"), EntrySource.OPENING, (leg,), acquired)


def _instrument(instrument_id: str) -> Instrument:
    instrument = load_reference_data().instruments.find(instrument_id, datetime.now(UTC).date())
    if instrument is None:
        sys.exit(f"The demo file gives shares of {instrument_id}, which is not in shared/data/instruments.csv")
    return instrument


def main() -> None:
    """Seed the database named by POSTGRES_URL."""
    demo = Demo.read(Path(os.environ.get("SANDBOX_DEMO", DEMO_FILE)))
    opened = asyncio.run(seed(os.environ["POSTGRES_URL"], demo))
    sys.stdout.write(f"opened accounts for {opened} demo user(s)\n")


if __name__ == "__main__":
    main()
