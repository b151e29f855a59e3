"""Ready-made values for the rules' tests; each test names only what it is about."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.domain.charges.rate_cards import ChargeKind, RateCard, RateCards
from shared.domain.instruments.instrument import Instrument
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.risk import Limits, RiskFacts
from shared.domain.orders.terms import OrderType, Product, Side, Terms, TimeInForce

TODAY = date(2026, 11, 23)

CARD = RateCard(
    version="2026-04-01",
    segment="EQ",
    kind=ChargeKind.DELIVERY,
    valid_from=date(2026, 4, 1),
    brokerage_ppb=0,
    stt_buy_ppb=1_000_000,
    stt_sell_ppb=1_000_000,
    exchange_transaction_ppb=30_700,
    sebi_ppb=1_000,
    stamp_duty_buy_ppb=150_000,
    gst_ppb=180_000_000,
)

INFY = Instrument(
    instrument_id="NSE:INFY",
    venue="NSE",
    symbol="INFY",
    isin="INE009A01021",
    name="Infosys Limited",
    segment="EQ",
    tick_size_paise=10,
    lot_size=1,
    freeze_quantity=20_000,
    price_band_bps=1_000,
    reference_price_paise=150_000,
    futures_and_options=True,
    valid_from=date(2026, 4, 1),
)

LIMITS = Limits(
    version="2026-04-01",
    valid_from=date(2026, 4, 1),
    max_order_value_paise=1_000_000_000,
    max_order_quantity=75_000,
    market_protection_bps=500,
    products=("CNC",),
    order_types=("LIMIT", "MARKET"),
    times_in_force=("DAY", "IOC"),
)

FACTS = RiskFacts(
    instrument=INFY,
    trade_date=TODAY,
    session_open=True,
    available_cash_paise=100_000_000,
    free_quantity=50,
    limits=LIMITS,
    rate_cards=RateCards([CARD]),
    now=datetime(2026, 11, 23, 4, 0, tzinfo=UTC),
)

TERMS = Terms(
    instrument_id="NSE:INFY",
    security_id="INE009A01021",
    segment="EQ",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    product=Product.CNC,
    time_in_force=TimeInForce.DAY,
    quantity=10,
    price=150_000,
    limit_price=150_000,
)


def facts(**changes: Any) -> RiskFacts:
    """Facts under which `terms()` is accepted, but for the changes."""
    return replace(FACTS, **changes)


def terms(**changes: Any) -> Terms:
    """An order that `facts()` accepts, but for the changes."""
    return TERMS._replace(**changes)


def instrument(**changes: Any) -> Instrument:
    """Infosys, but for the changes."""
    return replace(INFY, **changes)


def limits(**changes: Any) -> Limits:
    """The usual limits, but for the changes."""
    return replace(LIMITS, **changes)


VIOLATIONS: dict[RejectCode, tuple[str, dict[str, Any]]] = {
    RejectCode.INSTRUMENT_UNKNOWN: ("facts", {"instrument": None}),
    RejectCode.INSTRUMENT_INACTIVE: ("instrument", {"valid_to": TODAY - timedelta(days=1)}),
    RejectCode.SESSION_CLOSED: ("facts", {"session_open": False}),
    RejectCode.PRODUCT_NOT_OFFERED: ("terms", {"product": Product.MIS}),
    RejectCode.ORDER_TYPE_NOT_OFFERED: ("terms", {"order_type": OrderType.STOP_LIMIT}),
    RejectCode.TIME_IN_FORCE_NOT_OFFERED: ("terms", {"time_in_force": TimeInForce.GTC}),
    RejectCode.LOT_SIZE: ("instrument", {"lot_size": 7}),
    RejectCode.TICK_SIZE: ("instrument", {"tick_size_paise": 7}),
    RejectCode.PRICE_BAND: ("instrument", {"reference_price_paise": 100_000}),
    RejectCode.QUANTITY_EXCEEDS_FREEZE: ("instrument", {"freeze_quantity": 9}),
    RejectCode.QUANTITY_EXCEEDS_LIMIT: ("limits", {"max_order_quantity": 9}),
    RejectCode.ORDER_VALUE_EXCEEDED: ("limits", {"max_order_value_paise": 1_499_999}),
    RejectCode.INSUFFICIENT_HOLDINGS: ("sale", {"free_quantity": 9}),
    RejectCode.INSUFFICIENT_FUNDS: ("facts", {"available_cash_paise": 1_500_000}),
    RejectCode.DUPLICATE_CLIENT_ORDER_ID: ("facts", {"client_order_id_used_by": "an earlier order"}),
}
"""For each code a change that breaks its rule alone: whose fields, and which."""


def violating(codes: set[RejectCode]) -> tuple[Any, Any]:
    """Terms and facts that break exactly the rules of the codes."""
    changes: dict[str, dict[str, Any]] = {"facts": {}, "instrument": {}, "limits": {}, "terms": {}, "sale": {}}
    for code in codes:
        changes[VIOLATIONS[code][0]] |= VIOLATIONS[code][1]
    side = Side.SELL if changes["sale"] else Side.BUY
    surroundings = {"instrument": instrument(**changes["instrument"]), "limits": limits(**changes["limits"])}
    return terms(side=side, **changes["terms"]), facts(**surroundings | changes["sale"] | changes["facts"])
