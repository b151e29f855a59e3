"""What a client owns and what it earned: holdings, the day's positions and their profit and loss.

Rules: exact values are stored and summed, averages are derived. The cost of what is left is the average cost of all
that came in, so the order of fills does not matter. Prices and values in paise, quantities in shares.

    holding:  pnl = value - cost of what is left          = (price - average) x (quantity + unsettled)
    position: pnl = (sell value - buy value) + net quantity x price
"""

from dataclasses import dataclass

from shared.domain.money import round_half_up
from shared.domain.orders.terms import Product
from shared.domain.positions import Turnover


@dataclass(frozen=True, slots=True)
class Holding:
    """One security of one client, on whatever exchange it was bought. `settled` includes `held`, the part that working
    sell orders keep."""

    security_id: str
    settled: int
    held: int
    unsettled: int
    opening_quantity: int
    opening_value: int
    traded: Turnover

    @property
    def free(self) -> int:
        """What a new order may sell."""
        return self.settled - self.held

    @property
    def quantity(self) -> int:
        """Everything the client owns, settled or not."""
        return self.settled + self.unsettled

    @property
    def came_in(self) -> tuple[int, int]:
        """Value and quantity of all that was ever brought in or bought: the average price's fraction."""
        return self.opening_value + self.traded.buy_value, self.opening_quantity + self.traded.buy_quantity

    @property
    def cost(self) -> int:
        """Cost of what is left, at the average price of all that came in."""
        value, quantity = self.came_in
        return round_half_up(value * self.quantity, quantity) if quantity else 0


@dataclass(frozen=True, slots=True)
class DayPosition:
    """What a client traded today in one instrument and product."""

    instrument_id: str
    product: Product
    today: Turnover
