"""Entries without an order as PostgreSQL keeps them."""

from uuid import uuid5

from shared.domain.ledger.accounts import INR, Account
from shared.domain.ledger.entries import Acquisition, Entry, EntrySource, Leg, LegReason
from shared.domain.lots import COST_UNITS
from shared.domain.orders.terms import Product
from shared.ports.books import Scope
from tests.support.broker import Broker
from tests.support.values import ALICE, INFY, SPACE


async def test_line_names_its_source_and_user(broker: Broker) -> None:
    fees = Leg(Account.EXCHANGE_FEES, Account.BANK, INR, 77, LegReason.FEES_PAID)
    swept = Entry(None, uuid5(SPACE, "swept"), EntrySource.JOURNAL, (fees,))
    await broker.books.work(Scope(entries=[swept.key]), lambda unit: unit.books.post(swept))
    pay_in = Leg(Account.BANK, Account.CASH, INR, 500, LegReason.PAY_IN)
    await broker.post(Entry(ALICE, uuid5(SPACE, "paid in"), EntrySource.PAY_IN, (pay_in,)))
    lines = "SELECT source, user_id, order_id, amount FROM transfers WHERE source <> 'OPENING' ORDER BY transfer_no"
    assert broker.rows(lines) == [("JOURNAL", None, None, 77), ("PAY_IN", ALICE, None, 500)]


async def test_securities_brought_in_have_a_cost(broker: Broker) -> None:
    brought = Entry(
        ALICE,
        uuid5(SPACE, "brought"),
        EntrySource.OPENING,
        (Leg(Account.DEPOSITORY, Account.HOLDINGS, INFY, 5, LegReason.OPENING_DEPOSIT),),
        (Acquisition("NSE:INFY", Product.CNC, INFY, 5, 700_000),),
    )
    await broker.post(brought)
    row = "SELECT security_id, opening_quantity, opening_value, bought, sold, cost FROM costs"
    assert broker.rows(row) == [(INFY, 5, 700_000, 5, 0, 700_000 * COST_UNITS)]
