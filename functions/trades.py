"""Trades: every execution of a client's orders."""

from functions.edge.cursors import as_day, as_instant, as_text, read_position
from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.common import write_cursor
from shared.contracts.routes import trades as routes
from shared.contracts.trades import TradePage, TradesQuery
from shared.domain.times import wire_time
from shared.ports.trades import TradeFilter, TradePosition


@endpoint(routes.LIST_TRADES)
async def list_trades(call: Call[None, TradesQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    wanted = TradeFilter(query.instrument_id, query.from_date, query.to_date)
    after = read_position(query.cursor, _position)
    trades, next_position = await call.app.trades.page(call.user_id, wanted, after, query.limit)
    return Reply(TradePage(items=list(trades), next_cursor=next_position and _cursor(next_position)))


def _position(executed_at: object, exec_id: object, venue: object, trade_date: object) -> TradePosition:
    return TradePosition(as_instant(executed_at), as_text(exec_id), as_text(venue), as_day(trade_date))


def _cursor(position: TradePosition) -> str:
    executed_at = wire_time(position.executed_at)
    return write_cursor([executed_at, position.exec_id, position.venue, position.trade_date.isoformat()])


blueprint = blueprint_of(list_trades)
