"""Reads of orders in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.rows import order_from_row
from shared.domain.orders.order import PUBLISHED_STATUS, Order, Status
from shared.domain.times import wire_time
from shared.json_values import Json
from shared.ports.books import StoredAnswer
from shared.ports.orders import AdmissionFacts, Inquiry, OrderFilter

_SQL = load("orders.sql")
_BOOKS = load("books.sql")
_END_OF_TIME = "infinity"
_LAST_ID = UUID(int=2**128 - 1)


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
            cursor = await connection.execute(_SQL["inquire"], {"rows": orjson.dumps(rows).decode()})
            return [
                AdmissionFacts(
                    kyc_status=kyc_status,
                    available_cash=cash,
                    free_quantity=shares,
                    stored=None if order_id is None else StoredAnswer(order_id, bytes(mark), status, body),
                    client_order_id_used_by=used_by,
                )
                for kyc_status, cash, shares, order_id, mark, status, body, used_by in await cursor.fetchall()
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
        before: tuple[datetime | str, UUID] = wanted.before or (_END_OF_TIME, _LAST_ID)
        asked = {
            "user_id": user_id,
            "before_at": before[0],
            "before_id": before[1],
            "instrument_id": wanted.instrument_id,
            "standings": None if wanted.status is None else _standings(wanted.status),
            "limit": limit,
        }
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL["page"], asked)
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


def _standings(status: Status) -> list[str]:
    """Where an order stands that is published so: "state/pending request", as the statement writes it."""
    pairs = (pair for pair, published in PUBLISHED_STATUS.items() if published is status)
    return [f"{state}/{pending or ''}" for state, pending in pairs]
