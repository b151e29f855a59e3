"""What a client owns and what it earned: holdings, the day's positions and their profit and loss.

Rules: exact values are stored and summed, averages are derived. The cost of what is left is the average cost of all
that came in, so the order of fills does not matter. Prices and values in paise, quantities in shares.

    holding:  pnl = value - cost of what is left          = (price - average) x (quantity + unsettled)
    position: pnl = (sell value - buy value) + net quantity x price
"""

from dataclasses import dataclass

from shared.domain.money import round_half_up


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


@dataclass(frozen=True, slots=True)
class Holding:
    """One instrument of one client. `settled` includes `held`, the part that working sell orders keep."""

    instrument_id: str
    settled: int
    held: int
    unsettled: int
    opening_quantity: int
    opening_value: int
    traded: Turnover
    today: Turnover

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
