"""Instruments: what is traded, and what an order for it must respect."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.application.instruments import InstrumentPosition
from shared.contracts.instruments import INSTRUMENTS, InstrumentPage, InstrumentsQuery
from shared.contracts.routes import instruments as routes


@endpoint(routes.LIST_INSTRUMENTS)
async def list_instruments(call: Call[None, InstrumentsQuery]) -> Reply:
    """One page, the best matches first."""
    after = INSTRUMENTS.read(call.query.cursor, InstrumentPosition)
    instruments, end = await call.app.instruments.page(call.query.q, after, call.query.limit)
    return Reply(InstrumentPage(items=list(instruments), next_cursor=end and INSTRUMENTS.write(*end)))


@endpoint(routes.GET_INSTRUMENT)
async def get_instrument(call: Call) -> Reply:
    """One instrument on the present or next trade date."""
    return Reply(await call.app.instruments.get(call.path["instrument_id"]))


blueprint = blueprint_of(list_instruments, get_instrument)
