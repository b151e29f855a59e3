"""Reads of orders in PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.retention import oldest_kept_answer
from shared.adapters.postgres.rows import order_from_row
from shared.domain.orders.order import PUBLISHED_STATUS, TERMINAL, Order
from shared.domain.times import wire_time
from shared.json_values import Json
from shared.ports.books import StoredAnswer
from shared.ports.orders import AdmissionFacts, Inquiry, OrderFilter

_SQL = load("orders.sql")
_BOOKS = load("books.sql")
_LAST_ID: Final = UUID(int=2**128 - 1)
_WORKS: Final = ""
_ENDS: Final = sorted([_WORKS, *(state.value for state in TERMINAL)])


class PostgresOrderRecords:
    """`OrderRecords` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def inquire(self, inquiries: Sequence[Inquiry]) -> list[AdmissionFacts]:
        """See `OrderRecords.inquire`."""
        rows = [
            {
                "place": place,
                "user_id": inquiry.claim.user_id,
                "asset": inquiry.asset,
                "idempotency_key": inquiry.claim.idempotency_key,
                "client_order_id": inquiry.claim.client_order_id,
            }
            for place, inquiry in enumerate(inquiries)
        ]
        async with self._database.connection() as connection:
            asked = {"rows": orjson.dumps(rows).decode(), "since": oldest_kept_answer()}
            cursor = await connection.execute(_SQL["inquire"], asked)
            return [
                AdmissionFacts(
                    kyc_status=kyc_status,
                    available_cash=cash,
                    free_quantity=shares,
                    stored=None if order_id is None else StoredAnswer(order_id, bytes(mark), status, body),
                    client_order_id_used_by=used_by,
                    stream_sequence=sequence,
                )
                for kyc_status, sequence, cash, shares, order_id, mark, status, body, used_by in await cursor.fetchall()
            ]

    async def get(self, user_id: UUID, order_id: UUID) -> Order | None:
        """See `OrderRecords.get`."""
        keys = orjson.dumps([{"user_id": user_id, "order_id": order_id}]).decode()
        async with self._database.connection() as connection:
            cursor = await connection.execute(_BOOKS["load_orders"], {"keys": keys})
            row = await cursor.fetchone()
        return None if row is None else order_from_row(row)

    async def page(self, user_id: UUID, wanted: OrderFilter, limit: int) -> list[Order]:
        """See `OrderRecords.page`."""
        asked = {"user_id": user_id, "before": wanted.before or _LAST_ID, "limit": limit}
        statement = "page" if wanted.instrument_id is None else "page_by_instrument"
        asked |= _choice(wanted)
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL[statement], asked)
            return [order_from_row(row) for row in await cursor.fetchall()]

    async def history(self, user_id: UUID, order_id: UUID) -> list[Json]:
        """See `OrderRecords.history`."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL["history"], {"user_id": user_id, "order_id": order_id})
            return [
                {
                    "revision": revision,
                    "version": version,
                    "event": event,
                    "state": state,
                    "detail": detail,
                    "at": wire_time(at),
                }
                for revision, version, event, state, detail, at in await cursor.fetchall()
            ]


def _choice(wanted: OrderFilter) -> dict[str, Any]:
    """A filter in the statements' words: which ends, and which "state/pending request" among the orders that work."""
    chosen: dict[str, Any] = {"instrument_id": wanted.instrument_id, "ends": _ENDS, "standings": None}
    if wanted.status is not None:
        pairs = [pair for pair, published in PUBLISHED_STATUS.items() if published is wanted.status]
        chosen["ends"] = sorted({state.value if state in TERMINAL else _WORKS for state, _ in pairs})
        chosen["standings"] = [f"{state}/{pending or ''}" for state, pending in pairs]
    return chosen
