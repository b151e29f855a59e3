"""What was bought and sold of one instrument in one product. Quantities in shares, values and charges in paise."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from shared.domain.orders.terms import Product


class PositionKey(NamedTuple):
    """A user's position in one instrument and product."""

    user_id: UUID
    instrument_id: str
    product: Product


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

    security_id: str
    opening_quantity: int = 0
    opening_value: int = 0
    buy_quantity: int = 0
    buy_value: int = 0
    sell_quantity: int = 0
    sell_value: int = 0
    charges: int = 0
