"""`python -m bench.matching`: one tape through our order book, `lightmatchingengine` and `pyorderbook`, with events.

The tape has new orders around a fixed price, orders that cross, and cancels of orders that rest; every library builds
its own order objects inside the measured time. An order of ours keeps the id that its sender gave it, which stands on
the tape; the others number theirs. All must trade the same quantity, or the figures are worth nothing.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import typer
from lightmatchingengine.lightmatchingengine import LightMatchingEngine
from lightmatchingengine.lightmatchingengine import Side as LightSide
from pyorderbook import Book as PyOrderBook
from pyorderbook import Order as PyOrder
from pyorderbook import Side as PySide

from bench.brokers import BenchmarkError
from bench.report import Effort, Quick, Rounds, Seconds, middle, ratio, result, say
from simulators.exchange.book import Fill, Order, OrderBook

_MIDDLE, _LEVELS, _TICK = 150_000, 40, 5
_INSTRUMENT = "NSE:INFY"


class Step(NamedTuple):
    """One line of the tape: a new order, or a cancel of the `cancels`-th new order."""

    order_id: str = ""
    buy: bool = False
    quantity: int = 0
    price: int = 0
    cancels: int | None = None


def main(rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False) -> None:
    """Measure in turns, print one JSON line. `seconds` scales the tape."""
    effort = Effort.of(rounds, seconds, quick=quick)
    tape = make_tape(int(effort.seconds * 5_000))
    engines: dict[str, Callable[[Sequence[Step]], tuple[int, int]]] = {
        "ours": _ours,
        "lightmatchingengine": _light,
        "pyorderbook": _pyorderbook,
    }
    rates: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(effort.rounds):
        traded: dict[str, tuple[int, int]] = {}
        for name, engine in engines.items():
            started = time.process_time()  # nothing here waits, so other work on the machine is left out
            traded[name] = engine(tape)
            rates[name].append(len(tape) / (time.process_time() - started))
        if len({quantity for quantity, _ in traded.values()}) > 1:
            raise BenchmarkError(f"the books disagree: {traded}")
        say(f"round {number}: " + ", ".join(f"{name} {each[-1]:.0f}/s" for name, each in rates.items()))
    result(
        "matching",
        {
            "rounds": effort.rounds,
            "steps": len(tape),
            "events": traded["ours"][1],
            "steps_per_s": {name: middle(each, 0) for name, each in rates.items()},
            "ratio_to_lightmatchingengine": ratio(rates["ours"], rates["lightmatchingengine"]),
            "ratio_to_pyorderbook": ratio(rates["ours"], rates["pyorderbook"]),
        },
    )


def make_tape(steps: int) -> list[Step]:
    """Three in ten lines pick an order to cancel, or are a new one if it has ended; three in ten new ones cross."""
    chance = random.Random(7)
    book, orders, tape = OrderBook(), list[Order](), list[Step]()
    for _ in range(steps):
        victim = chance.randrange(len(orders)) if orders and chance.random() < 0.3 else None
        if victim is not None and orders[victim].leaves:
            tape.append(Step(cancels=victim))
            book.cancel(orders[victim])
            continue
        buy = chance.random() < 0.5
        distance = chance.randrange(-_LEVELS // 2, _LEVELS) * _TICK
        step = Step(str(len(orders)), buy, chance.randrange(1, 200), _MIDDLE - distance if buy else _MIDDLE + distance)
        tape.append(step)
        orders.append(Order("", "", buy, step.quantity, step.price))
        book.submit(orders[-1])
    return tape


def _ours(tape: Sequence[Step]) -> tuple[int, int]:
    book, orders, traded, events = OrderBook(), list[Order](), 0, 0
    for order_id, buy, quantity, price, cancels in tape:
        if cancels is not None:
            book.cancel(orders[cancels])
            continue
        # Each has its own account: the check for self-trades is made, and finds none.
        order = Order(order_id, order_id, buy, quantity, price)
        orders.append(order)
        for event in book.submit(order):
            events += 1
            if isinstance(event, Fill):
                traded += event.quantity
    return traded, events


def _light(tape: Sequence[Step]) -> tuple[int, int]:
    engine, ids, traded, events = LightMatchingEngine(), list[int](), 0, 0
    for _, buy, quantity, price, cancels in tape:
        if cancels is not None:
            engine.cancel_order(ids[cancels], _INSTRUMENT)
            continue
        side = LightSide.BUY if buy else LightSide.SELL
        order, trades = engine.add_order(_INSTRUMENT, price, quantity, side)
        ids.append(order.order_id)
        for trade in trades:
            events += 1
            # It reports a match twice: once for the incoming order, once for each resting one.
            if trade.order_id != order.order_id:
                traded += trade.trade_qty
    return traded, events


def _pyorderbook(tape: Sequence[Step]) -> tuple[int, int]:
    book, orders, traded, events = PyOrderBook(), list[Any](), 0, 0
    for _, buy, quantity, price, cancels in tape:
        if cancels is not None:
            book.cancel(orders[cancels])
            continue
        order = PyOrder(PySide.BID if buy else PySide.ASK, _INSTRUMENT, price, quantity)
        orders.append(order)
        for trade in book.match(order).trades:
            events += 1
            traded += trade.fill_quantity
    return traded, events


if __name__ == "__main__":
    typer.run(main)
