"""Pre-trade risk: may this order be accepted, and what has to be held for it.

Rules: pure functions of the order's terms and the facts about it. Checks run in the order of `RejectCode`, and the
first violation is the verdict. The funds and holdings checks here only refuse what is clearly impossible; the
ledger decides again, under the user's lock, when it takes the hold.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

from shared.domain.charges.rate_cards import RateCards
from shared.domain.instruments.instrument import Instrument, price_band, protection_price
from shared.domain.ledger.accounts import INR
from shared.domain.money import format_rupees
from shared.domain.orders.rejects import Reject, RejectCode, reject
from shared.domain.orders.terms import OrderType, Terms, TimeInForce
from shared.domain.products import POLICIES
from shared.domain.times import wire_time

HANDLED: Final = frozenset({*POLICIES, OrderType.MARKET, OrderType.LIMIT, TimeInForce.DAY, TimeInForce.IOC})
"""The words that the rules below, the products' policies and the order's life can deal with; limits may offer these
and no others."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's own limits from a date on."""

    version: str
    valid_from: date
    max_order_value_paise: int
    max_order_quantity: int
    market_protection_bps: int
    products: tuple[str, ...]
    order_types: tuple[str, ...]
    times_in_force: tuple[str, ...]

    def __post_init__(self) -> None:
        asked = {*self.products, *self.order_types, *self.times_in_force}
        unhandled = sorted(asked - HANDLED)
        if unhandled:
            raise ValueError(
                f"limits {self.version}: {', '.join(unhandled)} can't be offered, because no rule handles it yet"
            )


class LimitsBook:
    """Limits by date; each version holds from its date until the next one's."""

    def __init__(self, versions: Iterable[Limits]) -> None:
        """Raises ValueError without a version, or with two for one date."""
        self._versions = sorted(versions, key=lambda each: each.valid_from)
        if not self._versions or len({each.valid_from for each in self._versions}) < len(self._versions):
            raise ValueError("limits: at least one version is needed, with distinct dates")

    def for_date(self, trade_date: date) -> Limits:
        """The limits that hold on the trade date. Raises LookupError before the first."""
        for limits in reversed(self._versions):
            if limits.valid_from <= trade_date:
                return limits
        raise LookupError(f"no limits hold on {trade_date}: the first are from {self._versions[0].valid_from}")


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What is known about the order's surroundings at the moment it is judged."""

    instrument: Instrument | None
    trade_date: date
    session_open: bool
    available_cash_paise: int
    free_quantity: int
    """Shares of the instrument that are neither sold nor held for a working sell order."""
    limits: Limits
    rate_cards: RateCards
    now: datetime | None = None
    next_open: datetime | None = None
    client_order_id: str | None = None
    client_order_id_used_by: str | None = None
    """The order that already carries the client_order_id, if one does."""
    last_price_paise: int | None = None
    """The last traded price, to protect a MARKET order by; None: the reference price does."""


class Violation(NamedTuple):
    """A broken rule: the limit it sets and the value it met."""

    limit: object
    actual: object


def check(terms: Terms, facts: RiskFacts) -> Reject | None:
    """The refusal of the earliest rule that the order breaks; None when it breaks none."""
    for code, violation_of in CHECKS.items():
        violation = violation_of(terms, facts)
        if violation is not None:
            return reject(code, limit=violation.limit, actual=violation.actual)
    return None


def worst_price_paise(terms: Terms, facts: RiskFacts) -> int:
    """The worst price this order can trade at, which is the limit price it goes to the exchange with."""
    if terms.price is not None:
        return terms.price
    bps = facts.limits.market_protection_bps
    return protection_price(_instrument(facts), terms.side, bps, facts.last_price_paise)


def hold_required(terms: Terms, facts: RiskFacts) -> int:
    """What to hold, as the product's policy says: for delivery paise of a BUY, shares of a SELL."""
    policy = POLICIES[terms.product]
    card = facts.rate_cards.find(_instrument(facts).segment, policy.charge_kind, facts.trade_date)
    priced = terms._replace(limit_price=worst_price_paise(terms, facts))
    return policy.worst_case(priced, terms.quantity, 0, lambda notional: card.charges(terms.side, notional).total)


def _instrument(facts: RiskFacts) -> Instrument:
    assert facts.instrument is not None, "INSTRUMENT_UNKNOWN is judged before every rule that reads the instrument"
    return facts.instrument


def _unknown_instrument(terms: Terms, facts: RiskFacts) -> Violation | None:
    return Violation(None, terms.instrument_id) if facts.instrument is None else None


def _inactive_instrument(terms: Terms, facts: RiskFacts) -> Violation | None:
    active = _instrument(facts).is_active(facts.trade_date)
    return None if active else Violation(facts.trade_date, terms.instrument_id)


def _closed_session(_terms: Terms, facts: RiskFacts) -> Violation | None:
    return None if facts.session_open else Violation(_utc(facts.next_open), _utc(facts.now))


def _product(terms: Terms, facts: RiskFacts) -> Violation | None:
    return _not_offered(terms.product, facts.limits.products)


def _order_type(terms: Terms, facts: RiskFacts) -> Violation | None:
    return _not_offered(terms.order_type, facts.limits.order_types)


def _time_in_force(terms: Terms, facts: RiskFacts) -> Violation | None:
    return _not_offered(terms.time_in_force, facts.limits.times_in_force)


def _not_offered(asked: str, offered: tuple[str, ...]) -> Violation | None:
    return None if asked in offered else Violation(",".join(offered), asked)


def _lot_size(terms: Terms, facts: RiskFacts) -> Violation | None:
    lot = _instrument(facts).lot_size
    return Violation(lot, terms.quantity) if terms.quantity % lot else None


def _tick_size(terms: Terms, facts: RiskFacts) -> Violation | None:
    tick = _instrument(facts).tick_size_paise
    if terms.price is None or terms.price % tick == 0:
        return None
    return Violation(format_rupees(tick), format_rupees(terms.price))


def _price_band(terms: Terms, facts: RiskFacts) -> Violation | None:
    low, high = price_band(_instrument(facts))
    if terms.price is None or low <= terms.price <= high:
        return None
    return Violation(f"{format_rupees(low)}-{format_rupees(high)}", format_rupees(terms.price))


def _freeze_quantity(terms: Terms, facts: RiskFacts) -> Violation | None:
    return _over(_instrument(facts).freeze_quantity, terms.quantity)


def _order_quantity(terms: Terms, facts: RiskFacts) -> Violation | None:
    return _over(facts.limits.max_order_quantity, terms.quantity)


def _over(limit: int, actual: int) -> Violation | None:
    return Violation(limit, actual) if actual > limit else None


def _order_value(terms: Terms, facts: RiskFacts) -> Violation | None:
    value, limit = terms.quantity * worst_price_paise(terms, facts), facts.limits.max_order_value_paise
    return Violation(format_rupees(limit), format_rupees(value)) if value > limit else None


def _holdings(terms: Terms, facts: RiskFacts) -> Violation | None:
    if _holds_money(terms):
        return None
    return _over(facts.free_quantity, hold_required(terms, facts))


def _funds(terms: Terms, facts: RiskFacts) -> Violation | None:
    if not _holds_money(terms):
        return None
    required = hold_required(terms, facts)
    if required <= facts.available_cash_paise:
        return None
    return Violation(format_rupees(facts.available_cash_paise), format_rupees(required))


def _holds_money(terms: Terms) -> bool:
    return POLICIES[terms.product].hold_account(terms).asset == INR


def _duplicate_client_order_id(_terms: Terms, facts: RiskFacts) -> Violation | None:
    used_by = facts.client_order_id_used_by
    return None if used_by is None else Violation(used_by, facts.client_order_id)


def _utc(instant: datetime | None) -> str | None:
    return None if instant is None else wire_time(instant)


CHECKS: Final[Mapping[RejectCode, Callable[[Terms, RiskFacts], Violation | None]]] = {
    RejectCode.INSTRUMENT_UNKNOWN: _unknown_instrument,
    RejectCode.INSTRUMENT_INACTIVE: _inactive_instrument,
    RejectCode.SESSION_CLOSED: _closed_session,
    RejectCode.PRODUCT_NOT_OFFERED: _product,
    RejectCode.ORDER_TYPE_NOT_OFFERED: _order_type,
    RejectCode.TIME_IN_FORCE_NOT_OFFERED: _time_in_force,
    RejectCode.LOT_SIZE: _lot_size,
    RejectCode.TICK_SIZE: _tick_size,
    RejectCode.PRICE_BAND: _price_band,
    RejectCode.QUANTITY_EXCEEDS_FREEZE: _freeze_quantity,
    RejectCode.QUANTITY_EXCEEDS_LIMIT: _order_quantity,
    RejectCode.ORDER_VALUE_EXCEEDED: _order_value,
    RejectCode.INSUFFICIENT_HOLDINGS: _holdings,
    RejectCode.INSUFFICIENT_FUNDS: _funds,
    RejectCode.DUPLICATE_CLIENT_ORDER_ID: _duplicate_client_order_id,
}
