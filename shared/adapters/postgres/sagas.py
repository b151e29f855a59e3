"""Order sagas as staff read them, from PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Row
from shared.domain.sagas import SagaState
from shared.ports.sagas import (
    HoldRecord,
    MemberRecord,
    SagaDetail,
    SagaRecord,
    StepRecord,
    TransferRecord,
)

_SQL = load("sagas.sql")
_LAST_ID: Final = UUID(int=2**128 - 1)


class PostgresSagas:
    """`SagaReader` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sagas(
        self, state: SagaState | None, order_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[SagaRecord]:
        """See `SagaReader.sagas`."""
        wanted = {"state": state, "order_id": order_id, "saga_id": None, "before": before or _LAST_ID, "limit": limit}
        async with self._database.connection() as connection:
            return [_saga(row) for row in await _fetch(connection, "sagas", wanted)]

    async def saga(self, saga_id: UUID) -> SagaDetail | None:
        """See `SagaReader.saga`."""
        wanted = {"state": None, "order_id": None, "saga_id": saga_id, "before": _LAST_ID, "limit": 1}
        async with self._database.transaction() as connection:
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


async def _fetch(connection: AsyncConnection, statement: str, values: Mapping[str, object]) -> list[Row]:
    return await (await connection.execute(_SQL[statement], values)).fetchall()


def _saga(row: Row) -> SagaRecord:
    return SagaRecord(row[0], SagaState(row[1]), *row[2:])
