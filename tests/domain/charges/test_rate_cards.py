"""Charges of delivery equity by dated rate card."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.reference import load_reference_data
from shared.domain.charges.charge import Component, Payee
from shared.domain.charges.rate_cards import ChargeKind, RateCard, RateCards
from shared.domain.orders.terms import Side
from tests.support.facts import CARD

notionals = st.integers(0, 10**18) | st.integers(0, 10**6)
sides = st.sampled_from(Side)


@st.composite
def rate_cards(draw: st.DrawFn) -> RateCard:
    """Any card that is allowed: rates of up to just under half the notional together."""
    brokerage, transaction, sebi, stamp = (draw(st.integers(0, 80_000_000)) for _ in range(4))
    stt = draw(st.tuples(st.integers(0, 80_000_000), st.integers(0, 80_000_000)))
    gst = draw(st.integers(0, 300_000_000))
    return RateCard(
        "drawn", "EQ", ChargeKind.DELIVERY, date(2026, 4, 1), brokerage, *stt, transaction, sebi, stamp, gst
    )


cards = st.just(CARD) | rate_cards()


def test_one_lakh_bought_costs_what_the_rate_card_says() -> None:
    charges = CARD.charges(Side.BUY, 10_000_000)
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
    assert charges.by_component[Component.GST].exact == Fraction(18, 100) * (307 + 10)


def test_seller_pays_stt_but_no_stamp_duty() -> None:
    sold = CARD.charges(Side.SELL, 10_000_000)
    assert sold.by_component[Component.STAMP_DUTY].paise == 0
    assert sold.by_component[Component.STT].paise == 10_000


def test_gst_is_taken_of_the_exact_fees() -> None:
    """The published worked check, 0.18 x (0.01 + 0.051681 + 0.001498) = 0.01137222 rupees, without its brokerage."""
    charges = replace(CARD, exchange_transaction_ppb=34_500).charges(Side.BUY, 149_800)
    assert charges.by_component[Component.EXCHANGE_TRANSACTION].exact / 100 == Fraction("0.051681")
    assert charges.by_component[Component.SEBI].exact / 100 == Fraction("0.001498")
    assert charges.by_component[Component.GST].exact / 100 == Fraction("0.01137222") - Fraction("0.18") * Fraction(
        "0.01"
    )


@pytest.mark.parametrize(("notional", "stt"), [(49_999, 0), (50_000, 100), (149_999, 100), (150_000, 200)])
def test_stt_rounds_to_the_nearest_rupee(notional: int, stt: int) -> None:
    assert CARD.charges(Side.SELL, notional).by_component[Component.STT].paise == stt


@given(cards, sides, notionals, notionals)
def test_charges_never_fall_as_notional_rises(card: RateCard, side: Side, one: int, other: int) -> None:
    smaller, larger = (card.charges(side, notional) for notional in sorted((one, other)))
    assert all(larger.components[name] >= amount for name, amount in smaller.components.items())
    assert all(larger.by_payee[payee] >= amount for payee, amount in smaller.by_payee.items())


@given(cards, sides)
def test_nothing_traded_costs_nothing(card: RateCard, side: Side) -> None:
    assert card.charges(side, 0).total == 0


@given(cards, sides, notionals)
def test_charges_never_exceed_the_notional(card: RateCard, side: Side, notional: int) -> None:
    assert 0 <= card.charges(side, notional).total <= notional


@given(cards, sides, notionals)
def test_payees_and_components_sum_to_the_total(card: RateCard, side: Side, notional: int) -> None:
    charges = card.charges(side, notional)
    assert sum(charges.by_payee.values()) == sum(charges.components.values()) == charges.total
    assert set(charges.by_payee) == set(Payee)


@given(cards, sides, notionals)
def test_rounded_amounts_stay_within_half_a_unit(card: RateCard, side: Side, notional: int) -> None:
    charges = card.charges(side, notional)
    assert abs(charges.by_component[Component.STT].paise - charges.by_component[Component.STT].exact) <= 50
    for component, charge in charges.by_component.items():
        if component is Component.STT:
            continue
        assert abs(charge.paise - charge.exact) <= Fraction(1, 2)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 10**7)), max_size=20))
def test_fills_in_any_split_pay_the_same_in_total(fills: list[tuple[int, int]]) -> None:
    cumulative = paid = 0
    for quantity, price in fills:
        before = CARD.charges(Side.BUY, cumulative).total
        cumulative += quantity * price
        paid += CARD.charges(Side.BUY, cumulative).total - before
    assert paid == CARD.charges(Side.BUY, cumulative).total


def test_negative_notional_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        CARD.charges(Side.BUY, -1)


@pytest.mark.parametrize(
    "change",
    [
        {"stt_sell_ppb": -1},
        {"stt_buy_ppb": 500_000_000},
        {"brokerage_ppb": 200_000_000, "exchange_transaction_ppb": 200_000_000, "sebi_ppb": 100_000_000},
        {"brokerage_ppb": 450_000_000, "gst_ppb": 180_000_000},
    ],
)
def test_rates_that_could_eat_a_sale_are_refused(change: dict[str, int]) -> None:
    free = RateCard("free", "EQ", ChargeKind.DELIVERY, date(2026, 4, 1), 0, 0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="under half of notional"):
        replace(free, **change)  # type: ignore[arg-type]
    assert replace(free, stt_sell_ppb=499_999_999).charges(Side.SELL, 100).total <= 100


def test_intraday_stt_falls_on_the_sale_alone() -> None:
    card = replace(CARD, stt_buy_ppb=0, stt_sell_ppb=250_000)
    assert card.charges(Side.BUY, 10_000_000).components[Component.STT] == 0
    assert card.charges(Side.SELL, 10_000_000).components[Component.STT] == 2_500


def test_shipped_cards_are_pinned_by_trade_date() -> None:
    shipped = load_reference_data().rate_cards
    older = shipped.find("EQ", ChargeKind.DELIVERY, date(2026, 3, 31))
    assert older.version == "2024-10-01"
    assert older.charges(Side.BUY, 10_000_000).components[Component.EXCHANGE_TRANSACTION] == 297
    assert shipped.find("EQ", ChargeKind.DELIVERY, date(2026, 4, 1)) == CARD


@pytest.mark.parametrize(("segment", "on"), [("EQ", date(2026, 3, 31)), ("FO", date(2026, 4, 1))])
def test_date_or_segment_without_a_card_is_an_error(segment: str, on: date) -> None:
    with pytest.raises(LookupError, match=f"segment '{segment}', DELIVERY, holds on {on}"):
        RateCards([CARD]).find(segment, ChargeKind.DELIVERY, on)


def test_cards_of_other_segments_may_share_dates() -> None:
    other = replace(CARD, segment="FO", brokerage_ppb=1)
    assert RateCards([CARD, other]).find("FO", ChargeKind.DELIVERY, date(2026, 11, 23)) is other


@pytest.mark.parametrize("book", [[], [CARD, CARD], [CARD, replace(CARD, valid_from=date(2027, 1, 1))]])
def test_cards_that_contradict_each_other_are_refused(book: list[RateCard]) -> None:
    with pytest.raises(ValueError, match="rate cards"):
        RateCards(book)
