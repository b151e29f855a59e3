"""Judging an order: the dated tables, the market's time and what is on record of its user, against what is asked."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from uuid import UUID, uuid4

from shared.application.orders.intake import Candidate
from shared.application.timing import Timing
from shared.contracts.orders import PlaceOrder, PlaceOrderList
from shared.domain.charges.rate_cards import RateCards
from shared.domain.errors import UnavailableError
from shared.domain.ids import new_order_id
from shared.domain.instruments.instrument import Instrument
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.money import parse_rupees
from shared.domain.orders.order import Order
from shared.domain.orders.rejects import Reject
from shared.domain.orders.risk import LimitsBook, RiskFacts, check, worst_price_paise
from shared.domain.orders.terms import OrderType, Terms
from shared.domain.sessions import SegmentTime
from shared.ports.books import Claim
from shared.ports.market import Market
from shared.ports.orders import AdmissionFacts
from shared.ports.prices import LastPrices

_OUTSIDE_TABLES_RETRY_S = 60


@dataclass(frozen=True, slots=True)
class Rules:
    """The dated tables that an order is judged by."""

    instruments: InstrumentMaster
    limits: LimitsBook
    rate_cards: RateCards


@dataclass(frozen=True)
class PlaceCall:
    """One call of place-order: whose, what, under which keys, and how long the caller waits for the exchange."""

    user_id: UUID
    command: PlaceOrder
    idempotency_key: str | None
    request_id: str
    prefer_wait_s: float = 0.0
    list_text: str | None = None
    """The whole body, for an order of a list: another list under the same key is another body in each of its places."""

    @property
    def claim(self) -> Claim:
        return Claim(self.user_id, self.idempotency_key, self.command.client_order_id)

    @cached_property
    def fingerprint(self) -> bytes:
        """Of the body, to distinguish a repetition from another body under the same key."""
        return hashlib.sha256((self.list_text or self.command.model_dump_json()).encode()).digest()


def calls_of_list(user_id: UUID, command: PlaceOrderList, key: str | None, request_id: str) -> list[PlaceCall]:
    """A call for each order of a list. A client's key is printable, so no client can send a derived key."""
    text = command.model_dump_json()
    return [
        PlaceCall(user_id, order, None if key is None else f"{key}\n{place}", request_id, list_text=text)
        for place, order in enumerate(command.orders)
    ]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a call is judged by: the time of the instrument's segment, and the instrument as it is traded then."""

    hours: SegmentTime
    at: datetime
    trade_date: date
    instrument: Instrument | None
    last_price: int | None = None
    """In paise, where the order needs one and it is known."""


class Judge:
    """Makes orders of calls."""

    def __init__(self, rules: Rules, market: Market, timing: Timing, last_prices: LastPrices | None = None) -> None:
        self._rules = rules
        self._market = market
        self._timing = timing
        self._last_prices = last_prices

    async def surroundings(self, command: PlaceOrder) -> Surroundings:
        """What the order is judged by now. Raises UnavailableError."""
        instrument_id = command.instrument_id
        market, at = await self._market.time(), datetime.now(UTC)
        hours = market.of(self._rules.instruments.segment_of(instrument_id))
        trade_date = hours.trade_date(at)
        instrument = self._rules.instruments.find(instrument_id, trade_date)
        return Surroundings(hours, at, trade_date, instrument, await self._last_price(command))

    async def _last_price(self, command: PlaceOrder) -> int | None:
        if self._last_prices is None or command.order_type is not OrderType.MARKET:
            return None
        return await self._last_prices.last_price(command.instrument_id)

    def candidate(self, call: PlaceCall, known: AdmissionFacts, judged_by: Surroundings) -> Candidate:
        """The order to put on record, accepted or refused. Raises UnavailableError: no tables hold on that date."""
        terms = _terms(call.command, judged_by.instrument)
        facts, refusal = self._refusal(call.command, terms, known, judged_by)
        if refusal is None:
            terms = terms._replace(limit_price=worst_price_paise(terms, facts))
        order = Order(
            user_id=call.user_id,
            order_id=new_order_id(call.user_id, time.time_ns(), uuid4().int),
            terms=terms,
            trade_date=judged_by.trade_date.isoformat(),
            accepted_at=judged_by.at,
            updated_at=judged_by.at,
            deadline=judged_by.at + self._timing.saga,
            client_order_id=call.command.client_order_id,
            tag=call.command.tag,
        )
        return Candidate(order, refusal, call.claim, call.fingerprint, call.request_id)

    def _refusal(
        self, command: PlaceOrder, terms: Terms, known: AdmissionFacts, judged_by: Surroundings
    ) -> tuple[RiskFacts, Reject | None]:
        """Raises UnavailableError when the market's clock has left the tables."""
        try:
            facts = self._facts(command, known, judged_by)
            return facts, check(terms, facts)
        except LookupError as error:
            message = f"No order is taken for {judged_by.trade_date}: limits and charges of that date are not known"
            raise UnavailableError(message, retry_after_s=_OUTSIDE_TABLES_RETRY_S) from error

    def _facts(self, command: PlaceOrder, known: AdmissionFacts, judged_by: Surroundings) -> RiskFacts:
        hours, at = judged_by.hours, judged_by.at
        is_open = hours.is_open(at)
        used_by = known.client_order_id_used_by
        return RiskFacts(
            instrument=judged_by.instrument,
            trade_date=judged_by.trade_date,
            session_open=is_open,
            available_cash_paise=known.available_cash,
            free_quantity=known.free_quantity,
            limits=self._rules.limits.for_date(judged_by.trade_date),
            rate_cards=self._rules.rate_cards,
            now=hours.now(at),
            next_open=None if is_open else hours.next_open(at),
            client_order_id=command.client_order_id,
            client_order_id_used_by=None if used_by is None else str(used_by),
            last_price_paise=judged_by.last_price,
        )


def _terms(command: PlaceOrder, instrument: Instrument | None) -> Terms:
    price = None if command.price is None else parse_rupees(command.price)
    return Terms(
        instrument_id=command.instrument_id,
        security_id=command.instrument_id if instrument is None else instrument.security_id,
        segment="" if instrument is None else instrument.segment,
        side=command.side,
        order_type=command.order_type,
        product=command.product,
        time_in_force=command.time_in_force,
        quantity=command.quantity,
        price=price,
        # A refused order may have no worst price: its instrument or type may be unknown.
        limit_price=price or 0,
        disclosed_quantity=command.disclosed_quantity,
    )
