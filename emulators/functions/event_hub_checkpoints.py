"""Checkpoints and partition leases in the host's PostgreSQL, as a checkpoint store of the azure-eventhub SDK.

In Azure the extension keeps both as blobs. A lease is claimed by comparing its entity tag, so that of several
processes one wins; the SDK's event processor balances the partitions and lets an old lease expire.
"""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any, LiteralString

import psycopg
from azure.eventhub.aio import CheckpointStore
from psycopg import sql

_SCHEMA_LOCK = "functions_host schema"
_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS functions_host;
CREATE TABLE IF NOT EXISTS functions_host.event_hub_leases (
    host_id text NOT NULL,
    namespace text NOT NULL,
    hub text NOT NULL,
    consumer_group text NOT NULL,
    partition_id text NOT NULL,
    owner_id text NOT NULL,
    etag text NOT NULL,
    modified_at timestamptz NOT NULL,
    PRIMARY KEY (host_id, namespace, hub, consumer_group, partition_id)
);
CREATE TABLE IF NOT EXISTS functions_host.event_hub_checkpoints (
    host_id text NOT NULL,
    namespace text NOT NULL,
    hub text NOT NULL,
    consumer_group text NOT NULL,
    partition_id text NOT NULL,
    stream_offset text,
    sequence_number bigint,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (host_id, namespace, hub, consumer_group, partition_id)
)
"""
_CLAIM = """
INSERT INTO functions_host.event_hub_leases AS lease
VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp())
ON CONFLICT (host_id, namespace, hub, consumer_group, partition_id) DO UPDATE
SET owner_id = excluded.owner_id, etag = excluded.etag, modified_at = excluded.modified_at
WHERE lease.etag = %s
RETURNING extract(epoch FROM modified_at)::float8
"""
_LEASES = """
SELECT partition_id, owner_id, etag, extract(epoch FROM modified_at)::float8 FROM functions_host.event_hub_leases
WHERE (host_id, namespace, hub, consumer_group) = (%s, %s, %s, %s)
"""
_CHECKPOINT = """
INSERT INTO functions_host.event_hub_checkpoints VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp())
ON CONFLICT (host_id, namespace, hub, consumer_group, partition_id) DO UPDATE
SET stream_offset = excluded.stream_offset, sequence_number = excluded.sequence_number, updated_at = excluded.updated_at
"""
_CHECKPOINTS = """
SELECT partition_id, stream_offset, sequence_number FROM functions_host.event_hub_checkpoints
WHERE (host_id, namespace, hub, consumer_group) = (%s, %s, %s, %s)
"""
_NAMES = ("fully_qualified_namespace", "eventhub_name", "consumer_group")

type Row = dict[str, Any]


class PostgresCheckpointStore(CheckpointStore):
    """Leases and checkpoints of one host id; one connection, opened again after an outage."""

    def __init__(self, dsn: str, host_id: str) -> None:
        self._dsn = dsn
        self._host_id = host_id
        self._connection: psycopg.AsyncConnection | None = None
        self._turn = asyncio.Lock()

    async def list_ownership(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **_kwargs: Any
    ) -> Iterable[Row]:
        """The leases of a consumer group. Raises psycopg.OperationalError."""
        names = (fully_qualified_namespace, eventhub_name, consumer_group)
        rows = await self._run(_LEASES, (self._host_id, *names))
        fields = ("partition_id", "owner_id", "etag", "last_modified_time")
        return [dict(zip(_NAMES, names, strict=True)) | dict(zip(fields, row, strict=True)) for row in rows]

    async def claim_ownership(self, ownership_list: Iterable[Row], **_kwargs: Any) -> Iterable[Row]:
        """Take the leases whose entity tags still hold; returns those won. Raises psycopg.OperationalError."""
        won = []
        for lease in ownership_list:
            etag = uuid.uuid4().hex
            claim = (self._host_id, *_place(lease), lease["owner_id"], etag, lease.get("etag"))
            rows = await self._run(_CLAIM, claim)
            if rows:
                won.append({**lease, "etag": etag, "last_modified_time": rows[0][0]})
        return won

    async def update_checkpoint(self, checkpoint: Row, **_kwargs: Any) -> None:
        """Remember how far a partition was read. Raises psycopg.OperationalError."""
        position = (checkpoint["offset"], checkpoint["sequence_number"])
        await self._run(_CHECKPOINT, (self._host_id, *_place(checkpoint), *position))

    async def list_checkpoints(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **_kwargs: Any
    ) -> Iterable[Row]:
        """The checkpoints of a consumer group. Raises psycopg.OperationalError."""
        names = (fully_qualified_namespace, eventhub_name, consumer_group)
        rows = await self._run(_CHECKPOINTS, (self._host_id, *names))
        fields = ("partition_id", "offset", "sequence_number")
        return [dict(zip(_NAMES, names, strict=True)) | dict(zip(fields, row, strict=True)) for row in rows]

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _run(self, query: LiteralString, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        async with self._turn:
            cursor = await (await self._open()).execute(query, parameters)
            return await cursor.fetchall() if cursor.description is not None else []

    async def _open(self) -> psycopg.AsyncConnection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
        async with self._connection.transaction():
            await self._connection.execute("SET LOCAL client_min_messages = warning")
            await self._connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_SCHEMA_LOCK,))
            await self._connection.execute(sql.SQL(_SCHEMA))
        return self._connection


def _place(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*_NAMES, "partition_id"))
