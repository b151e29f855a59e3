"""Portfolios."""

from typing import Final

from shared.contracts.portfolios import PortfolioView
from shared.contracts.routes.route import STAFF, TRADER, Route, StreamSequence

GET_PORTFOLIO: Final = Route[None, None](
    "get_portfolio",
    "GET",
    "portfolios/{user_id}",
    "Holdings, positions of the day, profit and loss",
    {200: PortfolioView},
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
    errors=(404,),
)

ROUTES: Final = (GET_PORTFOLIO,)
