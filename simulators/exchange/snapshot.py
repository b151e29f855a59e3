"""The venue's state as JSON values and back: books in priority order, live orders in order of acceptance."""

from datetime import date
from typing import Any

from simulators.exchange.book import Order, OrderBook
from simulators.exchange.orders import MAKER, ClientOrder
from simulators.exchange.venue import Venue

_QUOTE_FIELDS = ("buy", "quantity", "price", "cum", "leaves")


def take(venue: Venue) -> dict[str, Any]:
    """Everything `restore` needs; closed orders are in the archive."""
    return {
        "position": venue.position,
        "live": [order.state() for order in venue.live.values()],
        "references": venue.references,
        "trade_date": venue.trade_date.isoformat() if venue.trade_date else None,
        "tapes": venue.tapes.state(),
        "books": {instrument_id: _book_state(book) for instrument_id, book in venue.books.items()},
    }


def restore(state: dict[str, Any]) -> Venue:
    """A venue that goes on exactly as the one the state was taken of."""
    venue = Venue()
    venue.position = state["position"]
    venue.references = dict(state["references"])
    venue.trade_date = date.fromisoformat(state["trade_date"]) if state["trade_date"] else None
    if "tapes" in state:
        venue.tapes.restore(state["tapes"])
    for order in map(ClientOrder.restored, state["live"]):
        venue.live[order.order_id] = order
        venue.working[order.instrument_id] += 1
    for instrument_id, book in state["books"].items():
        _fill_book(venue, instrument_id, book)
    return venue


def _book_state(book: OrderBook) -> dict[str, Any]:
    resting = [_resting(order) for side in (book.bids, book.asks) for order in side.orders()]
    return {"last_price": book.last_price, "resting": resting}


def _resting(order: Order) -> str | list[int]:
    """A client order by its id, a maker's quote by its values."""
    return order.order_id or [int(getattr(order, name)) for name in _QUOTE_FIELDS]


def _fill_book(venue: Venue, instrument_id: str, state: dict[str, Any]) -> None:
    book = venue.book(instrument_id)
    book.last_price = state["last_price"]
    # Nothing here crosses: these orders rested together.
    for item in state["resting"]:
        order = venue.live[item] if isinstance(item, str) else _quote(item)
        if isinstance(item, list):
            venue.quotes.setdefault(instrument_id, []).append(order)
        book.submit(order)
        venue.tapes.depth(instrument_id, buy=order.buy).add(order.price, order.leaves)


def _quote(values: list[int]) -> Order:
    buy, quantity, price, cum, leaves = values
    order = Order("", MAKER, bool(buy), quantity, price)
    order.cum, order.leaves = cum, leaves
    return order
