"""What a client owns and what it earned: holdings, the day's positions and their profit and loss.

Prices and values in paise, quantities in shares. The cost of a holding is the moving average's (see `lots`): a sale
leaves the average as it is, and what is bought after everything was sold begins anew.

    holding:  pnl = value - cost of what is left
    position: pnl = (sell value - buy value) + net quantity x price
"""

from dataclasses import dataclass

from shared.domain.lots import Standing
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
    standing: Standing

    @property
    def free(self) -> int:
        """What a new order may sell."""
        return self.settled - self.held

    @property
    def quantity(self) -> int:
        """Everything the client owns, settled or not."""
        return self.settled + self.unsettled

    @property
    def cost(self) -> int:
        """What is left had cost so much, in paise."""
        return self.standing.cost_paise


@dataclass(frozen=True, slots=True)
class DayPosition:
    """What a client traded today in one instrument and product."""

    instrument_id: str
    product: Product
    today: Turnover
