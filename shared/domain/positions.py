"""What was bought and sold on one day of one instrument in one product. Quantities in shares, values and charges in
paise; what securities cost is in `lots`."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from shared.domain.orders.order import Order
from shared.domain.orders.terms import Product


class PositionKey(NamedTuple):
    """A user's position of one day in one instrument and product; the trade date as text, YYYY-MM-DD."""

    user_id: UUID
    trade_date: str
    instrument_id: str
    product: Product


def position_of(order: Order) -> PositionKey:
    """Where the order's fills count."""
    return PositionKey(order.user_id, order.trade_date, order.terms.instrument_id, order.terms.product)


@dataclass(frozen=True, slots=True)
class Turnover:
    """What was bought and sold, and the charges paid for it."""

    buy_quantity: int = 0
    buy_value: int = 0
    sell_quantity: int = 0
    sell_value: int = 0
    charges: int = 0

    @property
    def net_quantity(self) -> int:
        """Bought minus sold; negative when more was sold."""
        return self.buy_quantity - self.sell_quantity

    def pnl(self, price: int) -> int:
        """Profit or loss before charges if the net quantity were closed at `price`."""
        return self.sell_value - self.buy_value + self.net_quantity * price


@dataclass(slots=True)
class PositionChange:
    """What a unit of work adds to one position; sums only, so the order of fills does not matter."""

    buy_quantity: int = 0
    buy_value: int = 0
    sell_quantity: int = 0
    sell_value: int = 0
    charges: int = 0
