"""What a client's securities cost: the moving average that clients see, and the lots of tax law, first in, first out.

Both follow the venue's order of trades, whenever a trade arrives. A purchase adds its value to the cost; a sale takes
the same share of the cost as of the quantity, so the average stays; the sale of everything leaves no cost at all. What
was brought in without a trade comes first.

Every trade knows how the security stood before it. A trade later than all others is one step from there; a late one is
put in its place, and the trades after it are worked out again. The lots need no rows of their own: all that was ever
bought is counted through, all that was sold as well, and a sale consumes the purchases that cover the same numbers.
"""

import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from shared.domain.money import format_average, round_half_up
from shared.domain.orders.terms import Side

COST_UNITS: Final = 10**12
"""Units of a paisa in which cost is kept. What a sale leaves is rounded to one of them, a half away from zero. Errors
of earlier sales shrink with what later ones leave, so an average is off by a few units whatever its history."""
_SHOWN_UNITS: Final = 10**9
"""What is shown is first rounded to these, so that a few `COST_UNITS` never decide about a half."""


class Moment(NamedTuple):
    """Trade date (YYYY-MM-DD) and instant of a trade."""

    trade_date: str
    executed_at: datetime


THE_BEGINNING: Final = Moment(date.min.isoformat(), datetime.min.replace(tzinfo=UTC))
THE_END: Final = Moment(date.max.isoformat(), datetime.max.replace(tzinfo=UTC))


class Place(NamedTuple):
    """A trade's place in the venue's order; execution ids order what happened at one instant."""

    trade_date: str
    executed_at: datetime
    exec_id: str
    venue: str

    @property
    def moment(self) -> Moment:
        return Moment(self.trade_date, self.executed_at)


class Standing(NamedTuple):
    """Shares that had come in and gone out until then, and what the difference had cost (in `COST_UNITS`)."""

    bought: int = 0
    sold: int = 0
    cost: int = 0

    @property
    def quantity(self) -> int:
        """Shares that are left; negative where more was sold than is known to have come in."""
        return self.bought - self.sold

    @property
    def cost_paise(self) -> int:
        """The cost to the nearest paisa."""
        return round_half_up(round_half_up(self.cost, COST_UNITS // _SHOWN_UNITS), _SHOWN_UNITS)

    @property
    def average_price(self) -> str:
        """Rupees with four places; "0.0000" where nothing is left."""
        if self.quantity <= 0:
            return format_average(0, 0)
        return format_average(round_half_up(self.cost, self.quantity * (COST_UNITS // _SHOWN_UNITS)), _SHOWN_UNITS)

    def after(self, side: Side, quantity: int, price: int) -> "Standing":
        """How it stands after a trade at `price` paise."""
        change = quantity if side is Side.BUY else -quantity
        return Standing(
            self.bought + max(change, 0), self.sold + max(-change, 0), self._cost_after(change, price * COST_UNITS)
        )

    def _cost_after(self, change: int, price: int) -> int:
        left = self.quantity + change
        if self.quantity * change >= 0:
            return self.cost + change * price
        if self.quantity * left >= 0:
            return round_half_up(self.cost * abs(left), abs(self.quantity))
        return left * price


NOTHING: Final = Standing()


class CostedTrade(NamedTuple):
    """One trade of a security, price in paise, and how the security stood before it."""

    place: Place
    side: Side
    quantity: int
    price: int
    before: Standing

    @property
    def after(self) -> Standing:
        return self.before.after(self.side, self.quantity, self.price)


@dataclass(slots=True)
class SecurityCost:
    """One client's cost of one security, on whatever exchange it was traded.

    `trades` are all trades from `known_from` on, in the venue's order; `restated` are the places of those that stand
    otherwise than before, because an earlier trade or an opening arrived after them.
    """

    opening_quantity: int = 0
    opening_value: int = 0
    now: Standing = NOTHING
    newest: Moment | None = None
    known_from: Moment = THE_BEGINNING
    trades: list[CostedTrade] = field(default_factory=list)
    restated: set[Place] = field(default_factory=set)

    def knows(self, moment: Moment) -> bool:
        """Whether a trade of that moment can be put in its place: everything after it is known."""
        return self.newest is None or moment > self.newest or moment >= self.known_from

    def add(self, place: Place, side: Side, quantity: int, price: int) -> None:
        """Put a trade in its place; what comes after it is worked out again."""
        index = bisect_left(self.trades, place, key=lambda trade: trade.place)
        before = self.trades[index].before if index < len(self.trades) else self.now
        trade = CostedTrade(place, side, quantity, price, before)
        self.trades.insert(index, trade)
        self._replay(index + 1, trade.after)
        self.newest = max(self.newest or THE_BEGINNING, place.moment)

    def open(self, quantity: int, value: int) -> None:
        """Bring in shares that had cost `value` paise: they come before every trade."""
        self.opening_quantity += quantity
        self.opening_value += value
        self._replay(0, Standing(self.opening_quantity, 0, self.opening_value * COST_UNITS))

    def before(self, place: Place) -> Standing | None:
        """How the security stood before the trade at that place; None where no such trade is known."""
        index = bisect_left(self.trades, place, key=lambda trade: trade.place)
        found = index < len(self.trades) and self.trades[index].place == place
        return self.trades[index].before if found else None

    def _replay(self, start: int, standing: Standing) -> None:
        for index in range(start, len(self.trades)):
            trade = self.trades[index]
            self.restated.add(trade.place)
            self.trades[index] = trade._replace(before=standing)
            standing = self.trades[index].after
        self.now = standing


class Lot(NamedTuple):
    """Shares of one purchase; without a purchase they were brought in at the opening."""

    purchase: CostedTrade | None
    quantity: int


class Consumed(NamedTuple):
    """What a sale took of a purchase, or of the opening."""

    sale: CostedTrade
    lot: Lot


def consumed_lots(opening_quantity: int, trades: Sequence[CostedTrade]) -> Iterator[Consumed]:
    """What each sale consumed, first in, first out; `trades` is the security's whole history in the venue's order."""
    purchases = _purchases(opening_quantity, trades)
    first, last, purchase = next(purchases, _NONE)
    for sale in (trade for trade in trades if trade.side is Side.SELL):
        start, end = sale.before.sold, sale.before.sold + sale.quantity
        while first < end:
            if last > start:
                yield Consumed(sale, Lot(purchase, min(end, last) - max(start, first)))
            if last >= end:
                break
            first, last, purchase = next(purchases, _NONE)


def remaining_lots(opening_quantity: int, trades: Sequence[CostedTrade]) -> Iterator[Lot]:
    """What is left of each purchase, oldest first; `trades` as above."""
    sold = sum(trade.quantity for trade in trades if trade.side is Side.SELL)
    for first, last, purchase in _purchases(opening_quantity, trades):
        if last > sold:
            yield Lot(purchase, last - max(first, sold))


type _Purchase = tuple[int, int, CostedTrade | None]
_NONE: Final[_Purchase] = (sys.maxsize, sys.maxsize, None)


def _purchases(opening_quantity: int, trades: Iterable[CostedTrade]) -> Iterator[_Purchase]:
    """From which to which number of all that came in each purchase reaches."""
    if opening_quantity:
        yield 0, opening_quantity, None
    for trade in trades:
        if trade.side is Side.BUY:
            yield trade.before.bought, trade.before.bought + trade.quantity, trade
