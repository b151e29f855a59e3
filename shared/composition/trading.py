"""The life of an order: placing, saga, reports, recovery and the sweep."""

from dataclasses import dataclass

from shared.application.dispatch import Dispatcher
from shared.application.execution_reports import ExecutionReports
from shared.application.order_saga import OrderSaga
from shared.application.orders import Orders, Rules
from shared.application.publishing import Publisher
from shared.application.recovery import Recovery
from shared.application.sweep import Sweep
from shared.application.timing import Timing
from shared.contracts.problems import write_problem
from shared.ports.books import BookStore
from shared.ports.market import Market
from shared.ports.order_sagas import SagaRecords
from shared.ports.orders import OrderRecords
from shared.ports.outbox import Audience, Exchange, Outbox
from shared.ports.rate_limits import RateLimiter
from shared.ports.wakeups import Wakeups


@dataclass(frozen=True)
class TradingPorts:
    """What trading needs from outside."""

    books: BookStore
    orders: OrderRecords
    sagas: SagaRecords
    outbox: Outbox
    exchange: Exchange
    audience: Audience
    wakeups: Wakeups
    market: Market


@dataclass(frozen=True)
class Trading:
    """The use cases."""

    orders: Orders
    order_saga: OrderSaga
    execution_reports: ExecutionReports
    recovery: Recovery
    sweep: Sweep
    dispatcher: Dispatcher
    publisher: Publisher


def wire_trading(
    ports: TradingPorts,
    rules: Rules,
    timing: Timing,
    limiter: RateLimiter,
    *,
    sagas_in_flight: int = 8,
    orders_per_saga: int = 200,
) -> Trading:
    """One process's trading on these ports."""
    publisher = Publisher(ports.exchange, ports.audience, ports.outbox, ports.sagas)
    dispatcher = Dispatcher(ports.sagas, timing, most_sagas=sagas_in_flight, most_orders=orders_per_saga)
    recovery = Recovery(ports.books, publisher, timing)
    return Trading(
        orders=Orders(
            books=ports.books,
            records=ports.orders,
            rules=rules,
            market=ports.market,
            limiter=limiter,
            publisher=publisher,
            dispatcher=dispatcher,
            wakeups=ports.wakeups,
            timing=timing,
            write_problem=write_problem,
        ),
        order_saga=OrderSaga(ports.books, ports.sagas, publisher, dispatcher, ports.market, timing),
        execution_reports=ExecutionReports(ports.books, publisher, ports.market, timing),
        recovery=recovery,
        sweep=Sweep(publisher, dispatcher, recovery, ports.sagas),
        dispatcher=dispatcher,
        publisher=publisher,
    )
