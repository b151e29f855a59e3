"""Candles."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.candles import CandlesQuery
from shared.contracts.routes import candles as routes


@endpoint(routes.GET_CANDLES)
async def get_candles(call: Call[None, CandlesQuery]) -> Reply:
    """Candles in a range of exchange time."""
    return Reply(await call.app.candles.get(call.path["instrument_id"], call.query))


blueprint = blueprint_of(get_candles)
