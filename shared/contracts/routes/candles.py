"""Candles."""

from typing import Final

from shared.contracts.candles import CandlesQuery, CandlesView
from shared.contracts.routes.route import EVERYBODY, Route

GET_CANDLES: Final = Route[None, CandlesQuery](
    "get_candles",
    "GET",
    "marketdata/candles/{instrument_id}",
    "Candles of one instrument, from one minute to one day",
    {200: CandlesView},
    query=CandlesQuery,
    roles=EVERYBODY,
    errors=(404,),
)

ROUTES: Final = (GET_CANDLES,)
