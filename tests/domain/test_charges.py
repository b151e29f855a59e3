"""Charges of delivery equity by dated rate card."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.reference_data import load_reference_data
from shared.domain.charges import Payee, RateCard, RateCards
from shared.domain.orders import Side
from tests.domain.facts import CARD

notionals = st.integers(0, 10**18) | st.integers(0, 10**6)
sides = st.sampled_from(Side)


@st.composite
def rate_cards(draw: st.DrawFn) -> RateCard:
    """Any card that is allowed: rates of up to just under half the notional together."""
    brokerage, stt, transaction, sebi, stamp = (draw(st.integers(0, 80_000_000)) for _ in range(5))
    gst = draw(st.integers(0, 300_000_000))
    return RateCard("drawn", date(2026, 4, 1), brokerage, stt, transaction, sebi, stamp, gst)


cards = st.just(CARD) | rate_cards()


def test_one_lakh_bought_costs_what_the_rate_card_says() -> None:
    charges = CARD.delivery(Side.BUY, 10_000_000)
    assert charges.components == {
        "brokerage": 0,
        "stt": 10_000,
        "exchange_transaction": 307,
        "sebi": 10,
        "stamp_duty": 1_500,
        "gst": 57,
    }
    assert charges.total == 11_874
    assert charges.by_payee == {Payee.HOUSE: 0, Payee.EXCHANGE: 307, Payee.TAX: 11_567}
    assert charges.gst.exact == Fraction(18, 100) * (307 + 10)


def test_seller_pays_stt_but_no_stamp_duty() -> None:
    sold = CARD.delivery(Side.SELL, 10_000_000)
    assert sold.stamp_duty.paise == 0
    assert sold.stt.paise == 10_000


def test_gst_is_taken_of_the_exact_fees() -> None:
    """The published worked check, 0.18 x (0.01 + 0.051681 + 0.001498) = 0.01137222 rupees, without its brokerage."""
    charges = replace(CARD, exchange_transaction_ppb=34_500).delivery(Side.BUY, 149_800)
    assert charges.exchange_transaction.exact / 100 == Fraction("0.051681")
    assert charges.sebi.exact / 100 == Fraction("0.001498")
    assert charges.gst.exact / 100 == Fraction("0.01137222") - Fraction("0.18") * Fraction("0.01")


@pytest.mark.parametrize(("notional", "stt"), [(49_999, 0), (50_000, 100), (149_999, 100), (150_000, 200)])
def test_stt_rounds_to_the_nearest_rupee(notional: int, stt: int) -> None:
    assert CARD.delivery(Side.SELL, notional).stt.paise == stt


@given(cards, sides, notionals, notionals)
def test_charges_never_fall_as_notional_rises(card: RateCard, side: Side, one: int, other: int) -> None:
    smaller, larger = (card.delivery(side, notional) for notional in sorted((one, other)))
    assert all(larger.components[name] >= amount for name, amount in smaller.components.items())
    assert all(larger.by_payee[payee] >= amount for payee, amount in smaller.by_payee.items())


@given(cards, sides)
def test_nothing_traded_costs_nothing(card: RateCard, side: Side) -> None:
    assert card.delivery(side, 0).total == 0


@given(cards, sides, notionals)
def test_charges_never_exceed_the_notional(card: RateCard, side: Side, notional: int) -> None:
    assert 0 <= card.delivery(side, notional).total <= notional


@given(cards, sides, notionals)
def test_payees_and_components_sum_to_the_total(card: RateCard, side: Side, notional: int) -> None:
    charges = card.delivery(side, notional)
    assert sum(charges.by_payee.values()) == sum(charges.components.values()) == charges.total
    assert set(charges.by_payee) == set(Payee)


@given(cards, sides, notionals)
def test_rounded_amounts_stay_within_half_a_unit(card: RateCard, side: Side, notional: int) -> None:
    charges = card.delivery(side, notional)
    assert abs(charges.stt.paise - charges.stt.exact) <= 50
    for charge in (charges.brokerage, charges.exchange_transaction, charges.sebi, charges.stamp_duty, charges.gst):
        assert abs(charge.paise - charge.exact) <= Fraction(1, 2)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 10**7)), max_size=20))
def test_fills_in_any_split_pay_the_same_in_total(fills: list[tuple[int, int]]) -> None:
    cumulative = paid = 0
    for quantity, price in fills:
        before = CARD.delivery(Side.BUY, cumulative).total
        cumulative += quantity * price
        paid += CARD.delivery(Side.BUY, cumulative).total - before
    assert paid == CARD.delivery(Side.BUY, cumulative).total


def test_negative_notional_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        CARD.delivery(Side.BUY, -1)


@pytest.mark.parametrize(
    "change",
    [
        {"stt_ppb": -1},
        {"stt_ppb": 500_000_000},
        {"brokerage_ppb": 200_000_000, "exchange_transaction_ppb": 200_000_000, "sebi_ppb": 100_000_000},
        {"brokerage_ppb": 450_000_000, "gst_ppb": 180_000_000},
    ],
)
def test_rates_that_could_eat_a_sale_are_refused(change: dict[str, int]) -> None:
    free = RateCard("free", date(2026, 4, 1), 0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="under half of notional"):
        replace(free, **change)  # type: ignore[arg-type]
    assert replace(free, stt_ppb=499_999_999).delivery(Side.SELL, 100).total <= 100


def test_shipped_cards_are_pinned_by_trade_date() -> None:
    shipped = load_reference_data().rate_cards
    assert shipped.for_date(date(2026, 3, 31)).version == "2024-10-01"
    assert shipped.for_date(date(2026, 4, 1)) == CARD
    assert shipped.by_version("2024-10-01").delivery(Side.BUY, 10_000_000).exchange_transaction.paise == 297
    assert shipped.for_date(date(2026, 4, 1)).delivery(Side.BUY, 10_000_000).exchange_transaction.paise == 307


def test_dates_and_versions_without_a_card_are_errors() -> None:
    book = RateCards([CARD])
    with pytest.raises(LookupError, match="the first is from 2026-04-01"):
        book.for_date(date(2026, 3, 31))
    with pytest.raises(LookupError, match="'2025'"):
        book.by_version("2025")


@pytest.mark.parametrize("book", [[], [CARD, CARD], [CARD, replace(CARD, valid_from=date(2027, 1, 1))]])
def test_cards_that_contradict_each_other_are_refused(book: list[RateCard]) -> None:
    with pytest.raises(ValueError, match="rate cards"):
        RateCards(book)
