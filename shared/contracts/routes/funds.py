"""Money."""

from typing import Final

from shared.contracts.common import OwnerQuery
from shared.contracts.funds import FundsView, StatementPage, StatementQuery
from shared.contracts.routes.route import STAFF, TRADER, Route, StreamSequence

GET_FUNDS: Final = Route[None, OwnerQuery](
    "get_funds",
    "GET",
    "funds",
    "Money: cash, holds, buying power, the day's movements",
    {200: FundsView},
    query=OwnerQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
)
GET_FUNDS_STATEMENT: Final = Route[None, StatementQuery](
    "get_funds_statement",
    "GET",
    "funds/statement",
    "Ledger lines of the cash account, newest first",
    {200: StatementPage},
    query=StatementQuery,
    roles=TRADER | STAFF,
    others=STAFF,
    stream_sequence=StreamSequence.EDGE,
)

ROUTES: Final = (
    GET_FUNDS,
    GET_FUNDS_STATEMENT,
)
