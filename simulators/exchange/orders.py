"""Orders as the venue keeps them, beyond what a book needs."""

from typing import Any

from simulators.exchange.book import Order
from simulators.exchange.commands import Request

MAKER = ""  # no account: neither side of a trade with a maker is a self-trade
TOMBSTONE = "TOMBSTONE"


class ClientOrder(Order):
    """An order of the broker; `sequence` is its newest report's, `closed_at` the position that ended it (0: live)."""

    def __init__(self, request: Request, exchange_order_id: str) -> None:
        super().__init__(request.order_id, request.account, request.side == "BUY", request.quantity, request.price)
        self.request_id = request.request_id
        self.instrument_id = request.instrument_id
        self.exchange_order_id = exchange_order_id
        self.side = request.side
        self.sequence = 0
        self.status = "NEW"
        self.closed_at = 0

    def state(self) -> dict[str, Any]:
        """Everything of the order as JSON values."""
        return dict(vars(self))

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "ClientOrder":
        """Inverse of `state`."""
        order = cls.__new__(cls)
        for name, value in state.items():
            setattr(order, name, value)
        return order
