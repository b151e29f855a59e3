"""A venue of one order, small enough to be obviously right: it reports as docs/reference/exchange-messages.md says.

`reports` keeps everything it has reported, in its own order; tests deliver them in any other.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from shared.contracts.execution_reports import ExecutionReport
from shared.domain.money import format_rupees
from shared.domain.orders.order import Order
from shared.domain.orders.terms import Side
from tests.support.values import EXPIRE_AT, NOW, TRADE_DATE

LIVE = {"NEW", "PARTIALLY_FILLED"}
SCRIPT_ACTIONS = ("new", "reject", "trade", "trade_all", "cancel", "refuse_cancel", "end", "expire", "status", "wait")


@dataclass
class VenueOfOne:
    """The life of one order at the venue; `now` is the venue's clock."""

    order: Order
    cancel_id: UUID | None = None
    status: str = "UNKNOWN"
    cum: int = 0
    sequence: int = 0
    numbered: int = 0
    """The newest `report_sequence`."""
    answered_cancel: bool = False
    now: Any = NOW
    reports: list[dict[str, Any]] = field(default_factory=list)

    def play(self, action: str, number: int = 0) -> None:
        """One thing that happens; what cannot happen now does not."""
        getattr(self, f"_{action}")(number)

    @property
    def known(self) -> bool:
        return self.status not in {"UNKNOWN", "TOMBSTONE"}

    def _wait(self, number: int) -> None:
        self.now += timedelta(seconds=number % 7)

    def _new(self, number: int) -> None:
        if self.known:
            return
        if self.status == "TOMBSTONE":
            self._refuse_new("TOMBSTONED")
        elif self.now > EXPIRE_AT:
            self._refuse_new("STALE")
        else:
            self.status = "NEW"
            self._report("NEW")

    def _reject(self, number: int) -> None:
        if self.status == "UNKNOWN" and self.now <= EXPIRE_AT:
            self._refuse_new("PRICE_BAND")

    def _refuse_new(self, reason: str) -> None:
        self.status = "REJECTED"
        self._report("REJECTED", reason=reason)

    def _trade(self, number: int) -> None:
        if self.status in LIVE:
            self._execute(1 + number % self.leaves, number)

    def _trade_all(self, number: int) -> None:
        if self.status in LIVE:
            self._execute(self.leaves, number)

    def _execute(self, quantity: int, number: int) -> None:
        better = number * 7 % 400
        price = self.order.terms.limit_price + (-better if self.order.terms.side is Side.BUY else better)
        self.cum += quantity
        self.status = "PARTIALLY_FILLED" if self.leaves else "FILLED"
        self._report("TRADE", last_quantity=quantity, last_price=format_rupees(max(price, 5)))

    @property
    def leaves(self) -> int:
        return self.order.terms.quantity - self.cum

    def _cancel(self, number: int) -> None:
        if self.cancel_id is None or self.answered_cancel:
            return
        self.answered_cancel = True
        if self.status in LIVE:
            self.status = "CANCELED"
            self._report("CANCELED", reason="REQUESTED", text="canceled as requested")
        elif self.known:
            self._report("CANCEL_REJECT", reason="TOO_LATE", request_id=self.cancel_id)
        else:
            self.status = "TOMBSTONE"
            self._report("CANCEL_REJECT", reason="UNKNOWN_ORDER", tombstone=True, request_id=self.cancel_id)

    def _refuse_cancel(self, number: int) -> None:
        if self.cancel_id is not None and not self.answered_cancel:
            self.answered_cancel = True
            reason = "MARKET_CLOSED" if self.known else "UNKNOWN_ORDER"
            self._report("CANCEL_REJECT", reason=reason, request_id=self.cancel_id)

    def _end(self, number: int) -> None:
        if self.status in LIVE:
            self.status = "CANCELED"
            self._report("CANCELED", reason="IOC_REMAINDER")

    def _expire(self, number: int) -> None:
        if self.status in LIVE:
            self.status = "EXPIRED"
            self._report("EXPIRED", reason="SESSION_END", text="the session ended")

    def _status(self, number: int) -> None:
        self._report("ORDER_STATUS")

    def _report(self, exec_type: str, **values: Any) -> None:
        self.sequence += 1
        over = self.status in {"FILLED", "CANCELED", "EXPIRED", "REJECTED"}
        report = {
            "exec_type": exec_type,
            "exec_id": f"{self.order.order_id.hex[:12]}-{self.sequence}",
            "venue": "NSE",
            "trade_date": TRADE_DATE,
            "account": self.order.user_id,
            "order_id": self.order.order_id,
            "request_id": self.order.order_id,
            "instrument_id": self.order.terms.instrument_id,
            "side": self.order.terms.side,
            "order_status": self.status if self.known else "UNKNOWN",
            "transact_time": self.now.isoformat(),
            "cum_quantity": self.cum,
            "leaves_quantity": self.leaves if self.known and not over else 0,
        }
        if exec_type == "ORDER_STATUS":
            report["last_sequence"] = self.numbered
        elif exec_type != "CANCEL_REJECT":
            self.numbered += 1
            report["report_sequence"] = self.numbered
        if self.known:
            report["exchange_order_id"] = f"X{self.order.order_id.hex[:8]}"
        self.reports.append({name: _wire(value) for name, value in (report | values).items()})


def _wire(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def cancel_id(order: Order) -> UUID:
    return uuid5(order.order_id, "cancel")


def readable(report: dict[str, Any]) -> ExecutionReport:
    return ExecutionReport.model_validate(report)
