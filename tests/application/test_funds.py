"""Money and its statement as their owner reads them."""

from decimal import Decimal

import pytest

from shared.adapters.postgres.reads import PostgresReads
from shared.application.funds import Funds
from shared.contracts.funds import StatementLineView
from shared.domain.ledger.accounts import Account
from tests.support.busy import BusyBroker
from tests.verify.world import ALICE


def _funds(busy: BusyBroker) -> Funds:
    return Funds(PostgresReads(busy.database))


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
    busy.execute("UPDATE transfers SET booked_at = booked_at - interval '2 days' WHERE debit_account LIKE 'external.%'")
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
