"""The ledger's sums, with and without a checkpoint."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from shared.adapters.postgres.ledger import PostgresLedger
from shared.application.ledger import Ledger
from tests.support.busy import BusyBroker
from tests.verify.world import ALICE


async def test_trial_balance_is_zero_per_asset(busy: BusyBroker) -> None:
    balance = await Ledger(PostgresLedger(busy.database)).trial_balance()
    assert balance.balanced
    assert {asset.total for asset in balance.assets} <= {"0.00", "0"}
    busy.execute("UPDATE accounts SET balance = balance + 1 WHERE asset = 'INE018A01030'")
    balance = await Ledger(PostgresLedger(busy.database)).trial_balance()
    assert [asset.asset for asset in balance.assets if not asset.balanced] == ["INE018A01030"]


@pytest.mark.parametrize("bite", [20, 1], ids=["smaller than the ledger", "smaller than a transaction"])
async def test_checkpoint_in_bites_changes_no_sum(busy: BusyBroker, bite: int) -> None:
    book = PostgresLedger(busy.database, bite=bite)
    before = await Ledger(book).trial_balance()
    bites = 1
    while await book.take_checkpoint():
        bites += 1
    after = await Ledger(book).trial_balance()
    assert bites > 1
    assert after.assets == before.assets
    assert after.checkpoint_at is not None
    with psycopg.connect(busy.dsn) as connection:
        tail = "SELECT count(*) FROM transfers WHERE xact >= (SELECT xact FROM ledger_checkpoint)"
        assert connection.execute(tail).fetchone() == (0,)
    assert busy.violations() == []


async def test_checkpoint_leaves_running_transactions_to_the_tail(busy: BusyBroker) -> None:
    book = PostgresLedger(busy.database)
    late = (ALICE, uuid4(), "external.bank", "client.cash", "INR", 500, "late")
    with psycopg.connect(busy.dsn) as running:
        running.execute(
            "INSERT INTO transfers (user_id, entry_id, debit_account, credit_account, asset, amount, reason, "
            "source, booked_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'PAY_IN', now())",
            late,
        )
        running.execute(
            "UPDATE accounts SET balance = balance + 500 WHERE user_id = %s AND account = 'client.cash'", (ALICE,)
        )
        busy.execute("UPDATE users SET created_at = created_at")  # a younger transaction that ends first
        await book.take_checkpoint()
        running.commit()
    assert (await Ledger(book).trial_balance()).balanced
    await book.take_checkpoint()
    assert (await Ledger(book).trial_balance()).balanced
    assert "checkpoint" not in "".join(busy.violations())


async def test_checkpoints_taken_at_once_add_up(busy: BusyBroker) -> None:
    book = PostgresLedger(busy.database)
    before = await Ledger(book).trial_balance()
    await asyncio.gather(*(book.take_checkpoint() for _ in range(3)))
    assert (await Ledger(book).trial_balance()).assets == before.assets
    assert busy.violations() == []
