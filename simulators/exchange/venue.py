"""The venue as a pure state machine: a journal entry in, reports out.

Rules: no clock, chance, or input and output; equal journals give equal reports, ExecIDs included. Memory
holds live orders only: an order that ends (or a tombstone) waits in `closed` until the gateway has archived
it, and the gateway loads the closed orders that a batch names before it applies the batch.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from simulators.exchange.book import BookEvent, Fill, Order, OrderBook, SelfTradeCancel
from simulators.exchange.commands import (
    Entry,
    Kind,
    LateTrade,
    MarketState,
    OwnCommand,
    ParticipantOrder,
    Quotes,
    Reason,
    Repeat,
    Request,
    SessionEnd,
)
from simulators.exchange.orders import MAKER, TOMBSTONE, ClientOrder
from simulators.exchange.reports import Report, exec_id, instant, report_id, rupees
from simulators.exchange.tape import Tapes
from simulators.market_feed.frames import SessionPhase

_NO_MARKET = "XXXX"  # ISO 10383, for a request that names no instrument
_TEXTS = {
    Reason.TOMBSTONED: "the order was canceled before it arrived",
    Reason.UNKNOWN_ORDER: "the venue has never seen this order",
    Reason.TOO_LATE: "the order has ended",
    Reason.DUPLICATE_ORDER: "the venue already has this order under another request",
    Reason.IOC_REMAINDER: "the part that could not trade at once was canceled",
    Reason.SESSION_END: "the session ended",
    Reason.REQUESTED: "canceled as requested",
    Reason.SELF_TRADE: "canceled rather than trade with the same account",
}


class Venue:
    """All books and live orders. `apply` is the only way in.

    `trade_date` is the session's that the live orders belong to, `working` their number per instrument,
    `references` the market makers' last reference prices in paise, `tapes` what the market feed shows.
    """

    def __init__(self) -> None:
        self.position = 0
        self.live: dict[str, ClientOrder] = {}
        self.closed: dict[str, ClientOrder] = {}
        self.books: dict[str, OrderBook] = {}
        self.references: dict[str, int] = {}
        self.trade_date: date | None = None
        self.quotes: dict[str, list[Order]] = {}
        self.working: Counter[str] = Counter()
        self.tapes = Tapes()
        self._reports: list[Report] = []
        self._handlers: dict[Kind, Callable[[Entry, Request], Repeat | None]] = {
            Kind.NEW: self._new,
            Kind.REPLACE: self._replace,
            Kind.CANCEL: self._cancel,
            Kind.STATUS: self._status,
            Kind.RESEND: self._resend,
        }

    def apply(self, entry: Entry) -> tuple[list[Report], Repeat | None]:
        """The reports that the entry causes, and which older ones it asks to send again."""
        if entry.position != self.position + 1:
            raise ValueError(f"journal position {entry.position} does not follow {self.position}")
        self.position = entry.position
        reports: list[Report] = []
        self._reports = reports
        repeat: Repeat | None = None
        self.tapes.begin(entry.position, entry.received_at, entry.trade_date)
        match entry.command:
            case Request() as request:
                repeat = self._handlers[request.kind](entry, request)
            case Repeat() as repeat:
                pass
            case _:
                self._apply_own(entry, entry.command)
        self.tapes.end()
        return reports, repeat

    def load(self, orders: Iterable[ClientOrder]) -> None:
        """Make archived orders known; what memory knows is newer and stays."""
        for order in orders:
            if order.order_id not in self.live:
                self.closed.setdefault(order.order_id, order)

    def ended_after(self, position: int) -> list[ClientOrder]:
        """The closed orders in memory that ended, or became tombstones, after a journal position."""
        return [order for order in self.closed.values() if order.closed_at > position]

    def forget_closed(self) -> None:
        """Drop the closed orders: the archive has them."""
        self.closed = {}

    def quotes_stand(self, instrument_id: str, reference: int) -> bool:
        """Whether the makers' ladder around this reference is in the book, and nothing of it has traded."""
        placed = self.quotes.get(instrument_id, ())
        whole = bool(placed) and all(order.leaves == order.quantity for order in placed)
        return whole and self.references.get(instrument_id) == reference

    def book(self, instrument_id: str) -> OrderBook:
        """The instrument's book, made at first use."""
        found = self.books.get(instrument_id)
        if found is None:
            found = self.books[instrument_id] = OrderBook()
        return found

    # --- requests ---------------------------------------------------------------------------------

    def _new(self, entry: Entry, request: Request) -> None:
        known = self._find(request.order_id)
        if known is not None and known.status != TOMBSTONE:
            self._refuse_twin(entry, request, known)
            return
        order = ClientOrder(request, f"{entry.trade_date:%Y%m%d}{entry.position:012d}")
        reason = request.refusal if known is None else Reason.TOMBSTONED
        if reason is not None:
            order.leaves = 0
            self._close(entry, order, "REJECTED")
            self._event(entry, order, "REJECTED", reason=reason, text=request.text)
            return
        self.live[order.order_id] = order
        self.trade_date = entry.trade_date
        self.working[order.instrument_id] += 1
        self._event(entry, order, "NEW", quantity=order.quantity, price=rupees(order.price))
        self._work(entry, order, request.time_in_force)

    def _work(self, entry: Entry, order: ClientOrder, time_in_force: str) -> None:
        """Match an order that is in no book; a DAY order's rest goes into the book, another's is canceled."""
        book = self.book(order.instrument_id)
        rest = time_in_force == "DAY"
        if time_in_force != "FOK" or book.can_fill(order):
            self._traded(entry, order.instrument_id, book.submit(order) if rest else book.take(order))
            if rest and order.leaves:
                self.tapes.rested(order.instrument_id, order)
        if not rest and order.leaves:
            self._end(entry, order, "CANCELED", Reason.IOC_REMAINDER)

    def _replace(self, entry: Entry, request: Request) -> None:
        order = self._live_or_refuse(entry, request)
        if order is None:
            return
        reason = request.refusal
        if reason is None and (request.side, request.instrument_id) != (order.side, order.instrument_id):
            reason = Reason.MALFORMED
        if reason is None and request.quantity <= order.cum:
            reason = Reason.QUANTITY
        if reason is not None:
            self._refuse_change(entry, request, order, reason)
            return
        order.request_id = request.request_id
        self._change(entry, order, request)

    def _change(self, entry: Entry, order: ClientOrder, request: Request) -> None:
        book, leaves = self.book(order.instrument_id), order.leaves
        if request.time_in_force == "DAY" and book.shrink(order, request.quantity, request.price):
            self.tapes.shrunk(order.instrument_id, order, leaves - order.leaves)
            self._replaced(entry, order)
            return
        book.withdraw(order)
        self.tapes.left(order.instrument_id, order, leaves)
        order.quantity, order.price, order.leaves = request.quantity, request.price, request.quantity - order.cum
        self._replaced(entry, order)
        self._work(entry, order, request.time_in_force)

    def _replaced(self, entry: Entry, order: ClientOrder) -> None:
        self._event(entry, order, "REPLACED", quantity=order.quantity, price=rupees(order.price))

    def _cancel(self, entry: Entry, request: Request) -> None:
        if self._find(request.order_id) is None and request.refusal is None:
            tombstone = ClientOrder(request, "")
            self._close(entry, tombstone, TOMBSTONE)
        order = self._live_or_refuse(entry, request)
        if order is None:
            return
        if request.refusal is not None:
            self._refuse_change(entry, request, order, request.refusal)
            return
        self._take_out(order.instrument_id, order)
        order.request_id = request.request_id
        self._end(entry, order, "CANCELED", Reason.REQUESTED)

    def _status(self, entry: Entry, request: Request) -> None:
        order = self._find(request.order_id)
        if order is None or order.status == TOMBSTONE:
            self._report(entry, "ORDER_STATUS", request, order_status="UNKNOWN", last_sequence=0)
            return
        self._report(
            entry,
            "ORDER_STATUS",
            request,
            order,
            last_sequence=order.sequence,
            quantity=order.quantity,
            price=rupees(order.price),
        )

    def _resend(self, entry: Entry, request: Request) -> Repeat | None:
        order = self._find(request.order_id)
        if order is None or request.from_sequence > order.sequence or request.refusal is not None:
            self._status(entry, request)
            return None
        return Repeat(request.order_id, request.request_id, request.from_sequence)

    def _live_or_refuse(self, entry: Entry, request: Request) -> ClientOrder | None:
        """The live order, or None after a CANCEL_REJECT that says why there is none."""
        order = self._find(request.order_id)
        if order is None or order.status == TOMBSTONE:
            reason = Reason.MALFORMED if request.refusal is Reason.MALFORMED else Reason.UNKNOWN_ORDER
            self._refuse_change(entry, request, None, reason, tombstone=order is not None)
            return None
        if order.closed_at:
            self._refuse_change(entry, request, order, Reason.TOO_LATE)
            return None
        return order

    # --- the venue's own commands -------------------------------------------------------------------

    def _apply_own(self, entry: Entry, command: OwnCommand) -> None:
        match command:
            case Quotes() as quotes:
                self._quote(entry, quotes)
            case SessionEnd(limit):
                self._end_session(entry, limit)
            case ParticipantOrder() as order:
                self._participate(entry, order)
            case MarketState() as state:
                self._market_state(state)
            case LateTrade() as trade:
                self.tapes.late_trade(trade)

    def _quote(self, entry: Entry, quotes: Quotes) -> None:
        self._drop_quotes(quotes.instrument_id)
        book = self.book(quotes.instrument_id)
        self.references[quotes.instrument_id] = quotes.reference
        placed: list[Order] = []
        for buy, ladder in ((True, quotes.bids), (False, quotes.asks)):
            for price, quantity in ladder:
                order = Order("", MAKER, buy, quantity, price)
                self._traded(entry, quotes.instrument_id, book.submit(order))
                if order.leaves:
                    self.tapes.rested(quotes.instrument_id, order)
                    placed.append(order)
        if placed:
            self.quotes[quotes.instrument_id] = placed

    def _drop_quotes(self, instrument_id: str) -> None:
        for order in self.quotes.pop(instrument_id, ()):
            if order.leaves:
                self._take_out(instrument_id, order)

    def _take_out(self, instrument_id: str, order: Order) -> None:
        self.tapes.left(instrument_id, order, order.leaves)
        self.book(instrument_id).cancel(order)

    def _participate(self, entry: Entry, wanted: ParticipantOrder) -> None:
        """Trade with the makers' best quote. A client's order that is as good or better is left to the clients."""
        book = self.book(wanted.instrument_id)
        best = next((book.asks if wanted.buy else book.bids).orders(), None)
        if best is not None and not isinstance(best, ClientOrder):
            order = Order("", MAKER, wanted.buy, min(wanted.quantity, best.leaves), best.price)
            self._traded(entry, wanted.instrument_id, book.take(order))

    def _market_state(self, state: MarketState) -> None:
        self.tapes.market_state(state)
        if state.phase == SessionPhase.CLOSED:
            for instrument_id in list(self.quotes):
                self._drop_quotes(instrument_id)

    def _end_session(self, entry: Entry, limit: int) -> None:
        for instrument_id in list(self.quotes):
            self._drop_quotes(instrument_id)
        for order in list(self.live.values())[:limit]:
            self._take_out(order.instrument_id, order)
            self._end(entry, order, "EXPIRED", Reason.SESSION_END)

    # --- reports --------------------------------------------------------------------------------------

    def _find(self, order_id: str) -> ClientOrder | None:
        return self.live.get(order_id) or self.closed.get(order_id)

    def _traded(self, entry: Entry, instrument_id: str, events: list[BookEvent]) -> None:
        for event in events:
            if isinstance(event, SelfTradeCancel):
                resting = event.resting
                assert isinstance(resting, ClientOrder), "a market maker's ladder never crosses itself"
                self.tapes.left(instrument_id, resting, resting.quantity - resting.cum)
                self._end(entry, resting, "CANCELED", Reason.SELF_TRADE)
            else:
                self.tapes.traded(instrument_id, event)
                self._fill(entry, event)

    def _fill(self, entry: Entry, fill: Fill) -> None:
        match_id = f"M{entry.position:012d}-{len(self._reports)}"
        for order, leaves in ((fill.taker, fill.taker_leaves), (fill.resting, fill.resting.leaves)):
            if not isinstance(order, ClientOrder):
                continue
            if leaves:
                order.status = "PARTIALLY_FILLED"
            else:
                self._close(entry, order, "FILLED")
            self._event(
                entry,
                order,
                "TRADE",
                cum_quantity=order.quantity - leaves,
                leaves_quantity=leaves,
                last_quantity=fill.quantity,
                last_price=rupees(fill.price),
                match_id=match_id,
            )

    def _end(self, entry: Entry, order: ClientOrder, status: str, reason: Reason) -> None:
        order.leaves = 0
        self._close(entry, order, status)
        self._event(entry, order, status, reason=reason)

    def _close(self, entry: Entry, order: ClientOrder, status: str) -> None:
        order.status = status
        order.closed_at = entry.position
        if self.live.pop(order.order_id, None) is not None:
            self._count_down(order.instrument_id)
        self.closed[order.order_id] = order

    def _count_down(self, instrument_id: str) -> None:
        self.working[instrument_id] -= 1
        if not self.working[instrument_id]:
            del self.working[instrument_id]

    def _refuse_twin(self, entry: Entry, request: Request, known: ClientOrder) -> None:
        """Another NEW of a known order: an answer to the request, and no event in the order's life."""
        self._report(entry, "REJECTED", request, known, reason=Reason.DUPLICATE_ORDER)

    def _refuse_change(
        self, entry: Entry, request: Request, order: ClientOrder | None, reason: Reason, *, tombstone: bool = False
    ) -> None:
        self._report(
            entry,
            "CANCEL_REJECT",
            request,
            order,
            reason=reason,
            text=request.text,
            response_to=request.kind.value,
            tombstone=tombstone or None,
        )

    def _event(self, entry: Entry, order: ClientOrder, exec_type: str, **values: Any) -> None:
        """A report that is part of the order's life and takes its next sequence."""
        order.sequence += 1
        self._report(entry, exec_type, order, order, report_sequence=order.sequence, **values)

    def _report(
        self,
        entry: Entry,
        exec_type: str,
        answered: Request | ClientOrder,
        order: ClientOrder | None = None,
        *,
        reason: Reason | None = None,
        text: str = "",
        **values: Any,
    ) -> None:
        place = len(self._reports)
        named = order if order is not None else answered
        state: dict[str, Any] = {"order_status": "UNKNOWN", "cum_quantity": 0, "leaves_quantity": 0}
        if order is not None:
            state = {
                "order_status": order.status,
                "cum_quantity": order.cum,
                "leaves_quantity": order.leaves,
                "exchange_order_id": order.exchange_order_id,
            }
        report = Report(
            report_id=report_id(entry.position, place),
            exec_type=exec_type,
            exec_id=exec_id(entry.position, place),
            venue=named.instrument_id.partition(":")[0] or _NO_MARKET,
            trade_date=entry.trade_date.isoformat(),
            account=answered.account or None,
            order_id=answered.order_id,
            request_id=answered.request_id,
            instrument_id=named.instrument_id or None,
            side=named.side or None,
            transact_time=instant(entry.received_at),
            reason=reason,
            text=(text or _TEXTS.get(reason)) if reason else None,
            **(state | values),
        )
        self._reports.append(report)
