"""Instruments."""

from typing import Final

from shared.contracts.instruments import InstrumentPage, InstrumentsQuery, InstrumentView
from shared.contracts.routes.route import EVERYBODY, Route

LIST_INSTRUMENTS: Final = Route[None, InstrumentsQuery](
    "list_instruments",
    "GET",
    "instruments",
    "Instruments traded today, with their reference prices",
    {200: InstrumentPage},
    query=InstrumentsQuery,
    roles=EVERYBODY,
)
GET_INSTRUMENT: Final = Route[None, None](
    "get_instrument",
    "GET",
    "instruments/{instrument_id}",
    "One instrument",
    {200: InstrumentView},
    roles=EVERYBODY,
    errors=(404,),
)

ROUTES: Final = (
    LIST_INSTRUMENTS,
    GET_INSTRUMENT,
)
