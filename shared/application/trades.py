"""A client's booked trades."""

from collections.abc import Sequence
from uuid import UUID

from shared.contracts.trades import TradeView
from shared.domain.money import format_rupees
from shared.domain.times import wire_time
from shared.ports.trades import TradeFilter, TradePosition, TradeReader, TradeRecord


class Trades:
    """The use case."""

    def __init__(self, reader: TradeReader) -> None:
        self._reader = reader

    async def page(
        self, user_id: UUID, wanted: TradeFilter, after: TradePosition | None, limit: int
    ) -> tuple[Sequence[TradeView], TradePosition | None]:
        """Trades after the position, newest first, and where the next page begins. Raises UnavailableError."""
        records = await self._reader.trades(user_id, wanted, after, limit + 1)
        shown = records[:limit]
        more = len(records) > limit
        return [published_record(record) for record in shown], _position(shown[-1]) if more else None


def published_record(record: TradeRecord) -> TradeView:
    """The trade of the HTTP contract; equal to what was published when it was booked."""
    day = record.trade_date.isoformat()
    return TradeView(
        trade_id=f"{record.venue}/{day}/{record.exec_id}",
        order_id=str(record.order_id),
        user_id=str(record.user_id),
        instrument_id=record.instrument_id,
        side=record.side,
        quantity=record.quantity,
        price=format_rupees(record.price),
        value=format_rupees(record.notional),
        charges={name: format_rupees(amount) for name, amount in record.charges.items()},
        trade_date=day,
        executed_at=wire_time(record.executed_at),
    )


def _position(record: TradeRecord) -> TradePosition:
    return TradePosition(record.executed_at, record.exec_id, record.venue, record.trade_date)
