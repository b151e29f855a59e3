"""Funds: what money is there, what it is used for, and the ledger lines behind it."""

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.common import OwnerQuery
from shared.contracts.funds import STATEMENT, StatementPage, StatementQuery
from shared.contracts.routes import funds as routes
from shared.domain.ledger.accounts import Account
from shared.ports.funds import StatementPosition


@endpoint(routes.GET_FUNDS)
async def get_funds(call: Call[None, OwnerQuery]) -> Reply:
    """Cash, holds, buying power and the day's movements at one instant."""
    return Reply(await call.app.funds.get(call.user_id))


@endpoint(routes.GET_FUNDS_STATEMENT)
async def get_funds_statement(call: Call[None, StatementQuery]) -> Reply:
    """One page of ledger lines, newest first."""
    query = call.query
    after = STATEMENT.read(query.cursor, StatementPosition)
    lines, end = await call.app.funds.statement(call.user_id, Account[query.account], after, query.limit)
    next_cursor = end and STATEMENT.write(end.transfer_no, end.balance)
    return Reply(StatementPage(items=list(lines), next_cursor=next_cursor))


blueprint = blueprint_of(get_funds, get_funds_statement)
