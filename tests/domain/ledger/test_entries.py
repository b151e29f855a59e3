"""Ledger entries without an order: posted once, into accounts that were loaded."""

from dataclasses import replace
from uuid import UUID, uuid5

import pytest

from shared.domain.ledger.accounts import INR, Account, AssetKey, BalanceKey
from shared.domain.ledger.books import Books, OverdrawnError, UnloadedError
from shared.domain.ledger.changes import BalancesChanged
from shared.domain.ledger.entries import Acquisition, Entry, EntrySource, Leg, LegReason
from shared.domain.ledger.holds import HoldChange, HoldKey, HoldSource
from shared.domain.orders.terms import Product
from tests.support.values import ALICE, INFY, SPACE, books

PAY_IN = Leg(Account.BANK, Account.CASH, INR, 500, LegReason.PAY_IN)
PAY_OUT = Leg(Account.CASH, Account.BANK, INR, 500, LegReason.PAY_OUT)
SWEEP = Leg(Account.EXCHANGE_FEES, Account.BANK, INR, 77, LegReason.FEES_PAID)


def entry(
    *legs: Leg, name: str = "one", user_id: UUID | None = ALICE, source: EntrySource = EntrySource.PAY_IN
) -> Entry:
    return Entry(user_id, uuid5(SPACE, name), source, legs)


def ready(*entries: Entry, cash: int = 1_000) -> Books:
    made = books(cash=cash)
    made.entries = {each.key: False for each in entries}
    return made


def cash_of(made: Books) -> int:
    return made.balances[BalanceKey(ALICE, Account.CASH, INR)].balance


def test_entry_moves_its_legs_once() -> None:
    pay_in = entry(PAY_IN)
    made = ready(pay_in)
    assert [made.post(pay_in), made.post(pay_in)] == [True, False]
    assert cash_of(made) == 1_500
    (line,) = made.changes.transfers
    assert (line.user_id, line.order_id, line.source, line.amount) == (ALICE, None, EntrySource.PAY_IN, 500)


def test_entry_that_the_scope_does_not_name_is_refused() -> None:
    with pytest.raises(UnloadedError, match="entry"):
        books(cash=1_000).post(entry(PAY_IN))


def test_account_that_was_not_loaded_is_never_written() -> None:
    bring = entry(Leg(Account.DEPOSITORY, Account.HOLDINGS, INFY, 5, LegReason.OPENING_DEPOSIT))
    made = ready(bring)
    with pytest.raises(UnloadedError, match=INFY):
        made.post(bring)
    made.assets.add(AssetKey(ALICE, INFY))
    assert made.post(bring)


def test_entry_takes_only_what_nothing_holds() -> None:
    pay_out = entry(PAY_OUT, source=EntrySource.PAY_OUT)
    made = ready(pay_out, cash=600)
    withdrawal = HoldKey(ALICE, HoldSource.WITHDRAWAL, SPACE, SPACE)
    made.holds[withdrawal.purpose] = []
    made.change_hold(HoldChange(withdrawal, Account.CASH, INR, 101))
    with pytest.raises(OverdrawnError, match="499 of INR available, 500 is taken"):
        made.post(pay_out)
    assert (cash_of(made), made.changes.transfers) == (600, [])
    made.change_hold(HoldChange(withdrawal, Account.CASH, INR, -1))
    assert made.post(pay_out)


def test_hold_that_the_scope_does_not_name_is_refused() -> None:
    key = HoldKey(ALICE, HoldSource.POSITION, SPACE, SPACE)
    with pytest.raises(UnloadedError, match="POSITION"):
        books().change_hold(HoldChange(key, Account.CASH, INR, 1))


@pytest.mark.parametrize(
    "bad",
    [
        {"legs": ()},
        {"legs": (PAY_IN._replace(amount=0),)},
        {"legs": (PAY_IN._replace(credit=Account.BANK),)},
        {"user_id": None},
        {"legs": (SWEEP,)},
        {"source": EntrySource.ORDER},
        {"user_id": None, "legs": (SWEEP,), "acquisitions": (Acquisition("NSE:INFY", Product.CNC, INFY, 1, 1),)},
    ],
)
def test_entry_that_is_none_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"entr|leg|house"):
        replace(entry(PAY_IN), **bad)  # type: ignore[arg-type]


def test_balances_of_a_unit_are_one_fact_a_user() -> None:
    first, second = entry(PAY_IN), entry(PAY_IN, name="two")
    made = ready(first, second)
    for each in (first, second):
        made.post(each)
    made.publish_balances()
    (effect,) = made.changes.effects
    assert isinstance(effect.fact, BalancesChanged)
    assert [now.balance for now in effect.fact.balances] == [2_000]
