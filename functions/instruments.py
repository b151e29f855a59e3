"""Instruments: what is traded, and what an order for it must respect."""

from functions.edge.cursors import as_text, read_position
from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.common import write_cursor
from shared.contracts.instruments import InstrumentPage, InstrumentsQuery
from shared.contracts.routes import instruments as routes


@endpoint(routes.LIST_INSTRUMENTS)
async def list_instruments(call: Call[None, InstrumentsQuery]) -> Reply:
    """One page, by id."""
    after = read_position(call.query.cursor, as_text) or ""
    instruments, end = await call.app.instruments.page(call.query.q, after, call.query.limit)
    return Reply(InstrumentPage(items=list(instruments), next_cursor=None if end is None else write_cursor([end])))


@endpoint(routes.GET_INSTRUMENT)
async def get_instrument(call: Call) -> Reply:
    """One instrument on the present or next trade date."""
    return Reply(await call.app.instruments.get(call.path["instrument_id"]))


blueprint = blueprint_of(list_instruments, get_instrument)
