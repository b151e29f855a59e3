"""A client's money: what is there, what it is used for, and every ledger line behind it."""

from collections.abc import Sequence
from uuid import UUID

from shared.contracts.funds import AvailableFunds, CashHoldView, FundsView, StatementLineView, UtilisedFunds
from shared.domain.ledger.accounts import Account
from shared.domain.money import format_rupees
from shared.domain.times import wire_time
from shared.ports.funds import CashHold, FundsReader, FundsRecord, StatementLine, StatementPosition


class Funds:
    """The use cases."""

    def __init__(self, reader: FundsReader) -> None:
        self._reader = reader

    async def get(self, user_id: UUID) -> FundsView:
        """Everything at one instant. Raises UnavailableError."""
        record = await self._reader.funds(user_id)
        return FundsView(
            user_id=str(user_id),
            trade_date=record.trade_date.isoformat(),
            available=_available(record),
            utilised=_utilised(record),
        )

    async def statement(
        self, user_id: UUID, account: Account, after: StatementPosition | None, limit: int
    ) -> tuple[Sequence[StatementLineView], StatementPosition | None]:
        """Ledger lines of the account, newest first, and where the next page begins. Raises UnavailableError."""
        lines = await self._reader.statement(user_id, account, after, limit + 1)
        shown = lines[:limit]
        return [_line(line) for line in shown], _position(shown[-1]) if len(lines) > limit else None


def _available(record: FundsRecord) -> AvailableFunds:
    return AvailableFunds(
        cash=format_rupees(record.cash),
        opening_balance=format_rupees(record.cash - record.cash_change_today),
        live_balance=format_rupees(record.cash - record.held),
        intraday_payin=format_rupees(record.paid_in_today),
        unsettled_cash=format_rupees(record.unsettled_cash),
    )


def _utilised(record: FundsRecord) -> UtilisedFunds:
    return UtilisedFunds(
        holds=format_rupees(record.held),
        delivery=format_rupees(record.bought_today),
        charges=format_rupees(record.charges_today),
        holding_sales=format_rupees(record.sold_today),
        payout=format_rupees(record.paid_out_today),
        by_order=[_hold(hold) for hold in record.holds],
    )


def _hold(hold: CashHold) -> CashHoldView:
    return CashHoldView(
        order_id=str(hold.order_id),
        instrument_id=hold.instrument_id,
        amount=format_rupees(hold.amount),
        captured=format_rupees(hold.captured),
        released=format_rupees(hold.released),
        open=format_rupees(hold.open),
    )


def _line(line: StatementLine) -> StatementLineView:
    return StatementLineView(
        line_no=line.transfer_no,
        entry_id=str(line.entry_id),
        booked_at=wire_time(line.booked_at),
        reason=line.reason,
        counter_account=line.counter_account,
        order_id=None if line.order_id is None else str(line.order_id),
        amount=format_rupees(line.change),
        balance=format_rupees(line.balance),
    )


def _position(line: StatementLine) -> StatementPosition:
    return StatementPosition(line.transfer_no, line.balance - line.change)
