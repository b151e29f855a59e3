"""Trades: every execution of a client's orders."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.routes import trades as routes
from shared.contracts.trades import TRADES, TradePage, TradesQuery
from shared.ports.trades import TradeFilter, TradePosition


@endpoint(routes.LIST_TRADES)
async def list_trades(call: Call[None, TradesQuery]) -> Reply:
    """One page, newest first."""
    query = call.query
    wanted = TradeFilter(query.instrument_id, query.from_date, query.to_date)
    after = TRADES.read(query.cursor, TradePosition)
    trades, end = await call.app.trades.page(call.user_id, wanted, after, query.limit)
    next_cursor = end and TRADES.write(end.executed_at, end.exec_id, end.venue, end.trade_date)
    return Reply(TradePage(items=list(trades), next_cursor=next_cursor))


blueprint = blueprint_of(list_trades)
