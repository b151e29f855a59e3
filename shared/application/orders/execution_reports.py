"""Execution reports from the exchange: taken in batches, booked in one ledger transaction each.

Duplicates change nothing and any order of arrival ends in the same books. A report that contradicts
the books, or that cannot be read, is parked whole for operations and does not affect the others of its batch.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import orjson
import stamina
import structlog
from pydantic import ValidationError

from shared.application.busy import apart
from shared.application.publishing import Publisher
from shared.application.timing import Timing, venue_deadlines
from shared.contracts.execution_reports import ExecType, ExecutionReport, OrderStatus
from shared.domain.errors import UnavailableError
from shared.domain.money import parse_rupees
from shared.domain.orders.events import (
    Acknowledged,
    CancelRefused,
    Deadlines,
    Ended,
    Event,
    ExchangeRejected,
    Filled,
    ReportsIssued,
    UnknownAtVenue,
    VenueReason,
)
from shared.domain.orders.order import OrderKey, State
from shared.domain.orders.transitions import IllegalTransitionError
from shared.domain.sessions import MarketTime
from shared.halving import halve
from shared.ports.books import BookStore, ParkedReport, Scope, ScopedFill, Unit
from shared.ports.market import Market
from shared.ports.order_sagas import OrderSagas

_log = structlog.get_logger(__name__)
_PATIENCE_S = 20.0
"""How long a batch waits for the ledger before the bus delivers it again: deliveries are counted."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry of a message: its text, and what it says if it can be read."""

    text: bytes
    report: ExecutionReport | None
    fault: str = ""


class ExecutionReports:
    """Books what the exchange reports."""

    def __init__(self, books: BookStore, publisher: Publisher, market: Market, timing: Timing) -> None:
        self._books = books
        self._publisher = publisher
        self._market = market
        self._timing = timing

    async def book(self, bodies: Sequence[str | bytes], sagas: OrderSagas) -> None:
        """Book every entry of every message. Raises UnavailableError when the database stays unavailable."""
        arrivals = [arrival for body in bodies for arrival in read(body)]
        async for attempt in stamina.retry_context(
            on=UnavailableError, attempts=None, timeout=_PATIENCE_S, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                await self._book(arrivals, sagas)

    async def _book(self, arrivals: Sequence[Arrival], sagas: OrderSagas) -> None:
        market = await self._market.time()

        async def commit(some: Sequence[Arrival], *, brief: bool) -> Sequence[None]:
            def apply(unit: Unit) -> None:
                self._apply(unit, some, market)

            _, committed = await self._books.work(_scope(some), apply, brief=brief)
            await self._publisher.publish(committed, sagas)
            return [None] * len(some)

        async def commit_apart(some: Sequence[Arrival]) -> Sequence[None]:
            return await apart(some, _account_of, commit)

        await halve(arrivals, commit_apart, self._park)

    async def _park(self, arrival: Arrival, error: Exception) -> None:
        _log.error("an execution report could not be booked", exc_info=error)

        def park(unit: Unit) -> None:
            unit.orders.parked.append(_parked(arrival, f"it could not be booked: {type(error).__name__}"))

        await self._books.work(Scope(), park)

    def _apply(self, unit: Unit, arrivals: Sequence[Arrival], market: MarketTime) -> None:
        @cache
        def deadlines(segment: str) -> Deadlines:
            return venue_deadlines(self._timing, market.of(segment), unit.books.at)

        for arrival in arrivals:
            fault = arrival.fault or _submit(unit, arrival.report, deadlines)
            if fault:
                _log.warning("execution report parked: it contradicts the books or cannot be read", reason=fault)
                unit.orders.parked.append(_parked(arrival, fault))


def read(body: str | bytes) -> list[Arrival]:
    """The entries of one message; what cannot be read is an arrival with its fault."""
    raw = body.encode() if isinstance(body, str) else body
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return [Arrival(raw, None, "the message is not JSON")]
    if not isinstance(message, dict) or message.get("version") != 1 or not isinstance(message.get("reports"), list):
        return [Arrival(raw, None, "the message is not version 1 with a list of reports")]
    return [_read_entry(entry) for entry in message["reports"]]


def _read_entry(entry: object) -> Arrival:
    try:
        text = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return Arrival(json.dumps(entry, sort_keys=True).encode(), None, "the entry is nested too deeply")
    try:
        return Arrival(text, ExecutionReport.model_validate(entry))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Arrival(text, None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _account_of(arrival: Arrival) -> UUID | None:
    return None if arrival.report is None else arrival.report.account


def _scope(arrivals: Sequence[Arrival]) -> Scope:
    reports = [arrival.report for arrival in arrivals if arrival.report is not None]
    return Scope(
        orders={OrderKey(report.account, report.order_id) for report in reports},
        fills={_fill(report) for report in reports if report.exec_type is ExecType.TRADE},
    )


def _fill(report: ExecutionReport) -> ScopedFill:
    execution = (report.venue, report.trade_date.isoformat(), report.exec_id)
    return ScopedFill(report.account, report.order_id, *execution, report.at)


def _parked(arrival: Arrival, reason: str) -> ParkedReport:
    order_id = None if arrival.report is None else arrival.report.order_id
    body = arrival.text.decode(errors="replace").replace("\x00", "\ufffd")
    return ParkedReport(hashlib.sha256(arrival.text).digest(), body, reason, order_id)


def _submit(unit: Unit, report: ExecutionReport | None, deadlines: Callable[[str], Deadlines]) -> str:
    """Apply one report, with the deadlines of its order's segment; returns why it must be parked, or nothing."""
    assert report is not None
    key = OrderKey(report.account, report.order_id)
    order = unit.books.orders.get(key)
    if order is None:
        return "no such order of this account"
    try:
        event = event_of(report, deadlines(order.terms.segment))
    except ValueError as error:
        return str(error)
    try:
        if event is not None:
            unit.books.submit(key, event)
    except IllegalTransitionError as error:
        return str(error)
    return ""


def event_of(report: ExecutionReport, deadlines: Deadlines) -> Event | None:
    """What the report means for the order, None for nothing.

    Raises ValueError for one that answers nothing we asked, or that contradicts itself.
    """
    match report.exec_type:
        case ExecType.NEW:
            return _acknowledged(report, deadlines)
        case ExecType.TRADE:
            return _filled(report, deadlines)
        case ExecType.REJECTED:
            return _rejected(report, deadlines)
        case ExecType.CANCELED | ExecType.EXPIRED:
            return _ended(report, State(report.exec_type), deadlines)
        case ExecType.CANCEL_REJECT:
            return _cancel_refused(report, deadlines)
        case ExecType.ORDER_STATUS:
            return _status(report, deadlines)
        case ExecType.REPLACED:
            raise ValueError("REPLACED: no replace was requested")


def _status(report: ExecutionReport, deadlines: Deadlines) -> Event | None:
    match report.order_status:
        case OrderStatus.UNKNOWN:
            return UnknownAtVenue(report.at)
        case OrderStatus.REJECTED | OrderStatus.CANCELED | OrderStatus.EXPIRED:
            # It has no reason, so what ended the order is taken from its own report: until then that one is missing.
            return ReportsIssued(report.last_sequence, deadlines.gap) if report.last_sequence else None
        case OrderStatus.NEW | OrderStatus.PARTIALLY_FILLED | OrderStatus.FILLED:
            # A FILLED order's executions come in their own reports: until then there is a gap.
            return _acknowledged(report, deadlines)


def _acknowledged(report: ExecutionReport, deadlines: Deadlines) -> Acknowledged:
    number, last = report.report_sequence, report.last_sequence
    return Acknowledged(report.exchange_order_id, report.cum_quantity, deadlines, number, last)


def _rejected(report: ExecutionReport, deadlines: Deadlines) -> Event | None:
    reason = report.known_reason
    if reason is VenueReason.DUPLICATE_ORDER:
        # It refuses a second NEW and says how the first one stands.
        return _status(report, deadlines)
    shown = report.text or report.reason or "without a reason"
    return ExchangeRejected(reason, f"The exchange refused the order: {shown}")


def _cancel_refused(report: ExecutionReport, deadlines: Deadlines) -> CancelRefused:
    message = f"The exchange refused to cancel: {report.text or report.reason or 'without a reason'}"
    reason = report.known_reason
    return CancelRefused(report.request_id, reason, message, report.tombstone, report.cum_quantity, deadlines)


def _ended(report: ExecutionReport, state: State, deadlines: Deadlines) -> Ended:
    reason, number = report.text or report.reason or "", report.report_sequence
    return Ended(state, report.cum_quantity, reason, deadlines, report.exchange_order_id, number)


def _filled(report: ExecutionReport, deadlines: Deadlines) -> Filled:
    if not report.last_quantity or report.last_price is None:
        raise ValueError("a TRADE needs last_quantity above zero and last_price")
    price = parse_rupees(report.last_price)
    if price == 0:
        raise ValueError("a TRADE needs a last_price above zero")
    return Filled(
        venue=report.venue,
        trade_date=report.trade_date.isoformat(),
        exec_id=report.exec_id,
        quantity=report.last_quantity,
        price=price,
        cum_quantity=report.cum_quantity,
        executed_at=report.at,
        deadlines=deadlines,
        match_id=report.match_id,
        exchange_order_id=report.exchange_order_id,
        report_sequence=report.report_sequence,
    )
