"""Portfolios: what a client owns and what it earned."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.routes import portfolios as routes


@endpoint(routes.GET_PORTFOLIO)
async def get_portfolio(call: Call) -> Reply:
    """Holdings, the day's positions and totals at one instant."""
    return Reply(await call.app.portfolios.get(call.user_id))


blueprint = blueprint_of(get_portfolio)
