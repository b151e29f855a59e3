"""The life of an order: placing, saga, reports, recovery and the sweep."""

from dataclasses import dataclass
from typing import Final

from shared.application.notifications import Notifications, StreamPositions
from shared.application.orders.cancel import CancelOrders
from shared.application.orders.dispatch import Dispatcher
from shared.application.orders.execution_reports import ExecutionReports
from shared.application.orders.judge import Rules
from shared.application.orders.missing_reports import MissingReports
from shared.application.orders.place import PlaceOrders
from shared.application.orders.read import ReadOrders
from shared.application.orders.recovery import Recovery
from shared.application.orders.saga import OrderSaga
from shared.application.publishing import GATHER_S, Publisher
from shared.application.sweep import Sweep
from shared.application.timing import Timing
from shared.ports.books import BookStore
from shared.ports.dispatch_hints import DispatchHints
from shared.ports.market import Market
from shared.ports.missing_reports import LanePositions, VenueChanges
from shared.ports.notifications import StreamReader
from shared.ports.order_sagas import SagaRecords, Slots
from shared.ports.orders import OrderRecords
from shared.ports.outbox import Audience, Exchange, Outbox
from shared.ports.prices import LastPrices
from shared.ports.rate_limits import RateLimiter
from shared.ports.wakeups import Wakeups

_AT_WORK: Final = 2
"""Sagas that bring orders to the exchange at a time: more only share the cores, and carry fewer orders each."""


@dataclass(frozen=True)
class TradingPorts:
    """The ports that trading needs."""

    books: BookStore
    orders: OrderRecords
    sagas: SagaRecords
    outbox: Outbox
    exchange: Exchange
    audience: Audience
    wakeups: Wakeups
    dispatch_hints: DispatchHints
    market: Market
    lanes: LanePositions
    streams: StreamReader
    venue: VenueChanges | None
    """None: the venue's records are not connected."""


@dataclass(frozen=True)
class Trading:
    """The use cases."""

    place_orders: PlaceOrders
    cancel_orders: CancelOrders
    read_orders: ReadOrders
    order_saga: OrderSaga
    execution_reports: ExecutionReports
    missing_reports: MissingReports
    recovery: Recovery
    sweep: Sweep
    dispatcher: Dispatcher
    publisher: Publisher
    stream_positions: StreamPositions
    notifications: Notifications


def wire_trading(
    ports: TradingPorts,
    rules: Rules,
    timing: Timing,
    limiter: RateLimiter,
    *,
    sagas_in_flight: int = 8,
    orders_per_saga: int = 200,
    gather_marks_s: float = GATHER_S,
    last_prices: LastPrices | None = None,
) -> Trading:
    """One process's trading on these ports. Without `last_prices` the reference price protects MARKET orders."""
    publisher = Publisher(ports.exchange, ports.audience, ports.outbox, ports.sagas, gather_s=gather_marks_s)
    slots = Slots(sagas_in_flight, min(_AT_WORK, sagas_in_flight))
    dispatcher = Dispatcher(ports.sagas, ports.dispatch_hints, timing, slots=slots, most_orders=orders_per_saga)
    recovery = Recovery(ports.books, publisher, timing)
    positions = StreamPositions(ports.streams)
    return Trading(
        place_orders=PlaceOrders(
            books=ports.books,
            records=ports.orders,
            rules=rules,
            market=ports.market,
            limiter=limiter,
            publisher=publisher,
            dispatcher=dispatcher,
            wakeups=ports.wakeups,
            positions=positions,
            timing=timing,
            last_prices=last_prices,
        ),
        cancel_orders=CancelOrders(ports.books, publisher, timing),
        read_orders=ReadOrders(ports.orders),
        order_saga=OrderSaga(ports.books, ports.sagas, publisher, dispatcher, ports.market, timing),
        execution_reports=ExecutionReports(ports.books, publisher, ports.market, timing),
        missing_reports=MissingReports(ports.books, publisher, ports.lanes, ports.venue, timing),
        recovery=recovery,
        sweep=Sweep(publisher, dispatcher, recovery, ports.sagas),
        dispatcher=dispatcher,
        publisher=publisher,
        stream_positions=positions,
        notifications=Notifications(ports.streams),
    )
