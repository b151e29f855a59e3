"""Webhooks and their deliveries in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.effects import published
from shared.adapters.postgres.queries import load
from shared.adapters.postgres.statements import Row, Statements
from shared.domain.times import wire_time
from shared.domain.webhooks import DisabledBy
from shared.ports.webhooks import DeadLetter, Delivery, Outcome, Webhook

_SQL = load("webhooks.sql")
_LONGEST_QUEUE: Final = 1_000
_OF_ONE: Final = 200
"""Changes of one webhook that are queued at once."""
_LOOK_AT: Final = 500
_MOST_REPLAYED: Final = 1_000


class PostgresWebhooks(Statements):
    """`WebhookRecords` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _SQL)

    async def of_user(self, user_id: UUID) -> Sequence[Webhook]:
        """See `WebhookRecords.of_user`."""
        return [_webhook(row) for row in await self._rows("of_user", user_id=user_id)]

    async def put(self, webhook: Webhook, most: int) -> Webhook | None:
        """See `WebhookRecords.put`."""
        names = ("webhook_id", "user_id", "url", "key_id", "secret_number", "previous_secret_until", "disabled_by")
        values = {name: getattr(webhook, name) for name in names} | {"kinds": list(webhook.kinds), "most": most}
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_owner"], {"user_id": webhook.user_id})
            row = await (await connection.execute(_SQL["put"], values)).fetchone()
        return _webhook(row) if row else None

    async def remove(self, user_id: UUID, webhook_id: UUID) -> bool:
        """See `WebhookRecords.remove`."""
        return await self._run("remove", user_id=user_id, webhook_id=webhook_id) > 0

    async def queue(self, most: int) -> int:
        """See `WebhookRecords.queue`."""
        async with self._database.transaction() as connection:
            asked = {"most": most, "of_one": _OF_ONE, "longest": _LONGEST_QUEUE}
            behind: dict[UUID, list[Row]] = {}
            for row in await (await connection.execute(_SQL["behind"], asked)).fetchall():
                behind.setdefault(row[0], []).append(row)
            made = [each for rows in behind.values() for each in await _deliveries(connection, rows)]
            reached = [{"webhook_id": each, "position": max(row[4] for row in rows)} for each, rows in behind.items()]
            if made:
                await connection.execute(_SQL["queue"], {"rows": orjson.dumps(made).decode()})
            if reached:
                await connection.execute(_SQL["reach"], {"rows": orjson.dumps(reached).decode()})
        return len(reached)

    async def take_due(
        self, most: int, of_one: int, lease: timedelta, without: Collection[UUID] = ()
    ) -> Sequence[Delivery]:
        """See `WebhookRecords.take_due`."""
        bounds = {"most": most, "of_one": of_one, "lease": lease, "look_at": _LOOK_AT}
        rows = await self._rows("take_due", **bounds, without=list(without))
        return [Delivery(row[0], _webhook(row[3:]), row[1].encode(), row[2]) for row in rows]

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """See `WebhookRecords.settle`."""
        delivered = [each.delivery_id for each in outcomes if each.error is None]
        failed = [
            {
                "delivery_id": each.delivery_id,
                "error": each.error,
                "again_s": None if each.again_in is None else each.again_in.total_seconds(),
            }
            for each in outcomes
            if each.error is not None
        ]
        if delivered:
            await self._run("delivered", ids=delivered)
        if failed:
            await self._run("failed", rows=orjson.dumps(failed).decode())

    async def disable(self, webhook_id: UUID, by: DisabledBy) -> None:
        """See `WebhookRecords.disable`."""
        await self._run("disable", webhook_id=webhook_id, by=by.value)

    async def dead_letters(
        self, user_id: UUID | None, webhook_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[DeadLetter]:
        """See `WebhookRecords.dead_letters`."""
        rows = await self._rows("dead_letters", user_id=user_id, webhook_id=webhook_id, after=after, limit=limit)
        return [DeadLetter(*row) for row in rows]

    async def replay(self, user_id: UUID | None, webhook_id: UUID | None, delivery_id: UUID | None) -> int:
        """See `WebhookRecords.replay`."""
        asked = {"user_id": user_id, "webhook_id": webhook_id, "delivery_id": delivery_id}
        return await self._run("replay", **asked, most=_MOST_REPLAYED)


async def _deliveries(connection: AsyncConnection, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The deliveries of one webhook, from its rows of `behind`."""
    webhook_id, kinds, position = rows[0][:3]
    wanted = [
        each
        for each in await published(connection, [row[3:] for row in rows])
        if each.sequence > position and (not kinds or each.kind in kinds)
    ]
    return [
        {
            "webhook_id": webhook_id,
            "user_id": each.user_id,
            "sequence": each.sequence,
            "kind": each.kind,
            "body": orjson.dumps(
                {
                    "type": each.kind,
                    "timestamp": wire_time(each.at),
                    "sequence": each.sequence,
                    "data": each.payload,
                }
            ).decode(),
        }
        for each in wanted
    ]


def _webhook(row: Sequence[Any]) -> Webhook:
    webhook_id, user_id, url, kinds, *rest = row
    key_id, number, until, disabled_by, *others = rest
    by = None if disabled_by is None else DisabledBy(disabled_by)
    return Webhook(webhook_id, user_id, url, tuple(kinds), key_id, number, until, by, *others)
