"""Money and its statement as their owner reads them."""

from decimal import Decimal
from uuid import uuid4

import pytest

from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.funds import PostgresFunds
from shared.application.funds import Funds
from shared.contracts.funds import StatementLineView
from shared.domain.ledger.accounts import INR, Account, AssetKey
from shared.domain.ledger.entries import Entry, EntrySource, Leg, LegReason
from shared.ports.books import Scope
from tests.support.busy import BusyBroker
from tests.verify.world import ALICE, RATE_CARDS


def _funds(busy: BusyBroker) -> Funds:
    return Funds(PostgresFunds(busy.database))


async def _statement(busy: BusyBroker, page: int) -> list[StatementLineView]:
    lines: list[StatementLineView] = []
    found, position = await _funds(busy).statement(ALICE, Account.CASH, None, page)
    lines.extend(found)
    while position is not None:
        found, position = await _funds(busy).statement(ALICE, Account.CASH, position, page)
        lines.extend(found)
    return lines


async def test_funds_add_up_to_the_ledger(busy: BusyBroker) -> None:
    funds = await _funds(busy).get(ALICE)
    cash, holds = Decimal(funds.available.cash), Decimal(funds.utilised.holds)
    assert Decimal(funds.available.live_balance) == cash - holds
    assert holds == sum(Decimal(hold.open) for hold in funds.utilised.by_order)
    assert {hold.order_id for hold in funds.utilised.by_order} == {
        str(busy.world.id("working")),
        str(busy.world.id("doubted")),
    }


async def test_opening_balance_undoes_the_days_movements(busy: BusyBroker) -> None:
    funds = await _funds(busy).get(ALICE)
    # Everything, the opening deposit too, was booked today by our clock.
    assert funds.available.opening_balance == "0.00"
    assert funds.available.intraday_payin == "1000000.00"
    spent = Decimal(funds.utilised.delivery) + Decimal(funds.utilised.charges)
    assert Decimal(funds.available.cash) == Decimal("1000000.00") - spent
    busy.execute("UPDATE transfers SET market_date = market_date - 2 WHERE debit_account LIKE 'external.%'")
    funds = await _funds(busy).get(ALICE)
    assert (funds.available.opening_balance, funds.available.intraday_payin) == ("1000000.00", "0.00")


async def test_statement_balances_run_from_zero_to_now(busy: BusyBroker) -> None:
    lines = await _statement(busy, 50)
    funds = await _funds(busy).get(ALICE)
    assert lines[0].balance == funds.available.cash
    balance = Decimal(0)
    for line in reversed(lines):
        balance += Decimal(line.amount)
        assert Decimal(line.balance) == balance


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_statement_pages_join_without_a_seam(busy: BusyBroker, page: int) -> None:
    assert await _statement(busy, page) == await _statement(busy, 50)


@pytest.mark.parametrize("days", [1, -1])
async def test_another_day_of_the_market_begins_without_movements(busy: BusyBroker, days: int) -> None:
    before = await _funds(busy).get(ALICE)
    busy.execute(f"INSERT INTO market_clock (offset_us) VALUES ({days * 86_400_000_000})")
    funds = await _funds(busy).get(ALICE)
    assert funds.available.cash == before.available.cash
    assert funds.available.opening_balance == funds.available.cash
    assert (funds.utilised.delivery, funds.utilised.charges, funds.available.intraday_payin) == ("0.00",) * 3


async def test_what_is_booked_under_a_set_clock_is_of_its_day(busy: BusyBroker) -> None:
    busy.execute("INSERT INTO market_clock (offset_us) VALUES (86400000000)")
    leg = Leg(Account.BANK, Account.CASH, INR, 500, LegReason.OPENING_DEPOSIT)
    entry = Entry(ALICE, uuid4(), EntrySource.PAY_IN, (leg,))
    books = PostgresBooks(busy.database, RATE_CARDS)
    scope = Scope(entries=[entry.key], assets={AssetKey(ALICE, INR)})
    await books.work(scope, lambda unit: unit.books.post(entry))
    assert (await _funds(busy).get(ALICE)).available.intraday_payin == "5.00"
    busy.execute("UPDATE market_clock SET offset_us = 0")
    assert (await _funds(busy).get(ALICE)).available.intraday_payin == "1000000.00"
