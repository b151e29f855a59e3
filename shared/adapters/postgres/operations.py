"""What staff read of the main road, from PostgreSQL, the ledger's checkpoint, and replies kept for replay."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.ports.operations import (
    AccountSum,
    Backlog,
    DoubtPosition,
    DoubtRecord,
    Execution,
    HoldRecord,
    LedgerSums,
    LiveOrder,
    MemberRecord,
    ParkedRecord,
    SagaDetail,
    SagaRecord,
    SagaState,
    StepRecord,
    StoredReply,
    TransferRecord,
)

_SQL = load("operations.sql")
_PAGE = 1000
_NO_UUID = UUID(int=0)
type Row = tuple[Any, ...]


class PostgresOperations:
    """`OperationsReader`, `LedgerBook`, `TradeDay` and `Replies` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- sagas and doubts -----------------------------------------------------------------------------

    async def sagas(
        self, state: SagaState | None, order_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[SagaRecord]:
        """See `OperationsReader.sagas`."""
        wanted = {"state": state, "order_id": order_id, "saga_id": None, "before": before, "limit": limit}
        return [_saga(row) for row in await self._rows("sagas", wanted)]

    async def saga(self, saga_id: UUID) -> SagaDetail | None:
        """See `OperationsReader.saga`."""
        wanted = {"state": None, "order_id": None, "saga_id": saga_id, "before": None, "limit": 1}
        async with self._database.connection() as connection:
            # Five statements of one instant.
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            sagas = await _fetch(connection, "sagas", wanted)
            if not sagas:
                return None
            of_saga = {"saga_id": saga_id}
            return SagaDetail(
                _saga(sagas[0]),
                [MemberRecord(*row) for row in await _fetch(connection, "members", of_saga)],
                [StepRecord(*row) for row in await _fetch(connection, "steps", of_saga)],
                [HoldRecord(*row) for row in await _fetch(connection, "member_holds", of_saga)],
                [TransferRecord(*row) for row in await _fetch(connection, "member_transfers", of_saga)],
            )

    async def doubts(self, after: DoubtPosition | None, limit: int) -> Sequence[DoubtRecord]:
        """See `OperationsReader.doubts`."""
        position = {"since": None, "order_id": None} if after is None else asdict(after)
        return [DoubtRecord(*row) for row in await self._rows("doubts", position | {"limit": limit})]

    async def doubt(self, order_id: UUID) -> DoubtRecord | None:
        """See `OperationsReader.doubt`."""
        rows = await self._rows("doubt", {"order_id": order_id})
        return DoubtRecord(*rows[0]) if rows else None

    async def parked(self, before: int | None, limit: int) -> Sequence[ParkedRecord]:
        """See `OperationsReader.parked`."""
        return [ParkedRecord(*row) for row in await self._rows("parked", {"before": before, "limit": limit})]

    async def backlogs(self) -> Sequence[Backlog]:
        """See `OperationsReader.backlogs`."""
        return [Backlog(*row) for row in await self._rows("backlogs", {})]

    # --- the ledger -----------------------------------------------------------------------------------

    async def sums(self) -> LedgerSums:
        """See `LedgerBook.sums`."""
        rows = await self._rows("ledger_sums", {}, sums=True)
        taken_at, checkpoint_at = rows[0][:2] if rows else (datetime.now(UTC), None)
        return LedgerSums(taken_at, checkpoint_at, [AccountSum(*row[2:]) for row in rows])

    async def take_checkpoint(self) -> bool:
        """See `LedgerBook.take_checkpoint`."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["plan_for_sums"])
            await connection.execute(_SQL["begin_checkpoint"])
            return (await connection.execute(_SQL["take_checkpoint"])).rowcount > 0

    # --- reconciliation -------------------------------------------------------------------------------

    async def executions_by_id(
        self, venue: str, trade_date: date, exec_ids: Collection[str]
    ) -> Mapping[str, Execution]:
        """See `TradeDay.executions_by_id`."""
        wanted = {"venue": venue, "trade_date": trade_date, "exec_ids": list(exec_ids)}
        return {row[0]: Execution(*row) for row in await self._rows("executions_by_id", wanted)}

    async def executions(self, venue: str, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        """See `TradeDay.executions`."""
        after = ""
        while rows := await self._rows(
            "executions", {"venue": venue, "trade_date": trade_date, "after": after, "limit": _PAGE}
        ):
            after = rows[-1][0]
            yield [Execution(*row) for row in rows]

    async def orders(self, order_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """See `TradeDay.orders`."""
        rows = await self._rows("order_states", {"order_ids": list(order_ids)}, sums=True)
        return {row[0]: row[1] for row in rows}

    async def working(self, venue: str) -> AsyncIterator[Sequence[LiveOrder]]:
        """See `TradeDay.working`."""
        after = str(_NO_UUID)
        while rows := await self._rows("working", {"venue": venue, "after": after, "limit": _PAGE}, sums=True):
            after = rows[-1][0]
            yield [LiveOrder(*row) for row in rows]

    # --- replies --------------------------------------------------------------------------------------

    async def reply(self, user_id: UUID, key: str) -> StoredReply | None:
        """See `Replies.reply`."""
        rows = await self._rows("reply", {"user_id": user_id, "key": key})
        return StoredReply(bytes(rows[0][0]), rows[0][1], rows[0][2]) if rows else None

    async def store_reply(self, user_id: UUID, key: str, reply: StoredReply) -> StoredReply:
        """See `Replies.store_reply`."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["store_reply"], {"user_id": user_id, "key": key} | asdict(reply))
        return await self.reply(user_id, key) or reply

    async def _rows(self, statement: str, values: Mapping[str, object], *, sums: bool = False) -> list[Row]:
        async with self._database.connection() as connection:
            if sums:
                await connection.execute(_SQL["plan_for_sums"])
            return await _fetch(connection, statement, values)


async def _fetch(connection: AsyncConnection, statement: str, values: Mapping[str, object]) -> list[Row]:
    return await (await connection.execute(_SQL[statement], values)).fetchall()


def _saga(row: Row) -> SagaRecord:
    return SagaRecord(row[0], SagaState(row[1]), *row[2:])
