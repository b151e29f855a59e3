"""A client's money, from PostgreSQL: one statement a call, so one snapshot a call."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Statements
from shared.domain.ledger.accounts import Account
from shared.ports.funds import CashHold, FundsRecord, StatementLine, StatementPosition

_SQL = load("funds.sql")
_NO_LINE = {"transfer_no": None, "balance": None}


class PostgresFunds(Statements):
    """`FundsReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def funds(self, user_id: UUID) -> FundsRecord:
        """See `FundsReader.funds`."""
        (row,) = await self._rows("funds", user_id=user_id)
        holds = [CashHold(UUID(order_id), *rest) for order_id, *rest in row[-1]]
        values = [*row[:-1], holds]
        return FundsRecord(*values)

    async def statement(
        self, user_id: UUID, account: Account, after: StatementPosition | None, limit: int
    ) -> Sequence[StatementLine]:
        """See `FundsReader.statement`."""
        position = _NO_LINE if after is None else asdict(after)
        rows = await self._rows("statement", user_id=user_id, account=account.value, limit=limit, **position)
        return [StatementLine(*row) for row in rows]
