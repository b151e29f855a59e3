"""Pre-trade checks: each rule, their order, and what has to be held."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.orders.rejects import FIRST_LATE_CODE, RejectCode
from shared.domain.orders.risk import CHECKS, LimitsBook, check, hold_required, worst_price_paise
from shared.domain.orders.terms import OrderType, Side, TimeInForce
from tests.support.facts import CARD, FACTS, LIMITS, TERMS, VIOLATIONS, facts, instrument, limits, terms, violating


def test_checks_run_in_the_order_of_the_codes() -> None:
    codes = list(RejectCode)
    assert list(CHECKS) == codes[: codes.index(FIRST_LATE_CODE)] == list(VIOLATIONS)


def test_order_that_breaks_no_rule_passes() -> None:
    assert check(TERMS, FACTS) is None
    assert check(terms(order_type=OrderType.MARKET, price=None, time_in_force=TimeInForce.IOC), FACTS) is None
    assert check(terms(side=Side.SELL, quantity=50), facts(available_cash_paise=0)) is None


@given(st.sets(st.sampled_from(list(VIOLATIONS)), min_size=1))
def test_several_violations_give_the_earliest_code(codes: set[RejectCode]) -> None:
    refusal = check(*violating(codes))
    assert refusal is not None
    assert refusal.code == min(codes, key=list(RejectCode).index)


@pytest.mark.parametrize(
    ("code", "limit", "actual"),
    [
        (RejectCode.INSTRUMENT_UNKNOWN, None, "NSE:INFY"),
        (RejectCode.INSTRUMENT_INACTIVE, "2026-11-23", "NSE:INFY"),
        (RejectCode.PRODUCT_NOT_OFFERED, "CNC", "MIS"),
        (RejectCode.ORDER_TYPE_NOT_OFFERED, "LIMIT,MARKET", "STOP_LIMIT"),
        (RejectCode.TIME_IN_FORCE_NOT_OFFERED, "DAY,IOC", "GTC"),
        (RejectCode.LOT_SIZE, "7", "10"),
        (RejectCode.TICK_SIZE, "0.07", "1500.00"),
        (RejectCode.PRICE_BAND, "900.00-1100.00", "1500.00"),
        (RejectCode.QUANTITY_EXCEEDS_FREEZE, "9", "10"),
        (RejectCode.QUANTITY_EXCEEDS_LIMIT, "9", "10"),
        (RejectCode.ORDER_VALUE_EXCEEDED, "14999.99", "15000.00"),
        (RejectCode.INSUFFICIENT_HOLDINGS, "9", "10"),
        (RejectCode.INSUFFICIENT_FUNDS, "15000.00", "15017.82"),
    ],
)
def test_refusal_names_limit_and_actual_value(code: RejectCode, limit: str | None, actual: str) -> None:
    refusal = check(*violating({code}))
    assert refusal is not None
    assert (refusal.code, refusal.limit, refusal.actual) == (code, limit, actual)
    assert actual in refusal.message
    assert limit is None or limit in refusal.message
    assert refusal.remedy


def test_freeze_refusal_reads_like_the_contract_says() -> None:
    refusal = check(terms(quantity=15), facts(instrument=instrument(freeze_quantity=10)))
    assert refusal is not None
    assert refusal.message == "quantity=15, freeze_quantity=10"


def test_closed_market_refusal_names_the_next_opening() -> None:
    opens = datetime(2026, 11, 25, 3, 45, tzinfo=UTC)
    refusal = check(TERMS, facts(session_open=False, next_open=opens))
    assert refusal is not None
    assert refusal.limit == "2026-11-25T03:45:00.000000Z"
    assert refusal.actual == "2026-11-23T04:00:00.000000Z"


def test_duplicate_refusal_names_the_first_order() -> None:
    refusal = check(TERMS, facts(client_order_id="mine-1", client_order_id_used_by="0190-first"))
    assert refusal is not None
    assert (refusal.actual, refusal.limit) == ("mine-1", "0190-first")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": 165_000}, None),
        ({"price": 165_010}, RejectCode.PRICE_BAND),
        ({"price": 135_000}, None),
        ({"price": 134_990}, RejectCode.PRICE_BAND),
        ({"price": 150_005}, RejectCode.TICK_SIZE),
        ({"quantity": 20_000}, RejectCode.ORDER_VALUE_EXCEEDED),
        ({"quantity": 20_001}, RejectCode.QUANTITY_EXCEEDS_FREEZE),
    ],
)
def test_limits_themselves_are_still_allowed(change: dict[str, Any], code: RejectCode | None) -> None:
    refusal = check(terms(**change), FACTS)
    assert (refusal and refusal.code) == code


def test_exact_order_value_is_allowed() -> None:
    assert check(TERMS, facts(limits=limits(max_order_value_paise=1_500_000))) is None


def test_exactly_enough_money_is_enough() -> None:
    required = hold_required(TERMS, FACTS)
    assert required == 1_500_000 + CARD.charges(Side.BUY, 1_500_000).total
    assert check(TERMS, facts(available_cash_paise=required)) is None
    refusal = check(TERMS, facts(available_cash_paise=required - 1))
    assert refusal is not None
    assert refusal.code is RejectCode.INSUFFICIENT_FUNDS


def test_market_order_is_worth_its_protection_price() -> None:
    market = terms(order_type=OrderType.MARKET, price=None)
    assert worst_price_paise(market, FACTS) == 157_500
    assert worst_price_paise(market._replace(side=Side.SELL), FACTS) == 142_500
    assert worst_price_paise(TERMS, FACTS) == 150_000
    live = facts(last_price_paise=140_000)
    assert worst_price_paise(market, live) == 147_000
    assert worst_price_paise(market._replace(side=Side.SELL), live) == 135_000, "5 % below would be outside the band"
    assert hold_required(market, live) < hold_required(market, FACTS)
    refusal = check(market, facts(available_cash_paise=hold_required(market, FACTS) - 1))
    assert refusal is not None
    assert refusal.code is RejectCode.INSUFFICIENT_FUNDS


def test_sale_holds_shares_and_needs_no_money() -> None:
    assert hold_required(terms(side=Side.SELL), FACTS) == 10


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(135_000, 165_000)), min_size=1, max_size=10))
def test_hold_covers_any_fills_at_or_below_the_worst_price_paise(fills: list[tuple[int, int]]) -> None:
    quantity = sum(filled for filled, _ in fills)
    notional = sum(filled * price for filled, price in fills)
    held = hold_required(terms(quantity=quantity, price=165_000), FACTS)
    assert notional + CARD.charges(Side.BUY, notional).total <= held


def test_limits_are_pinned_by_date() -> None:
    later = limits(version="later", valid_from=date(2027, 1, 1))
    book = LimitsBook([later, LIMITS])
    assert book.for_date(date(2026, 12, 31)) is LIMITS
    assert book.for_date(date(2027, 1, 1)) is later
    with pytest.raises(LookupError, match="the first are from 2026-04-01"):
        book.for_date(date(2026, 3, 31))


@pytest.mark.parametrize("versions", [[], [LIMITS, LIMITS]])
def test_limits_that_contradict_each_other_are_refused(versions: list[Any]) -> None:
    with pytest.raises(ValueError, match="limits"):
        LimitsBook(versions)
