"""The venue's PostgreSQL: journal, archive of reports and closed orders, snapshot, markers.

Rules: one writer per database, held by an advisory lock on the writing connection. A journal commit is
flushed to disk before it returns; what can be computed again from the journal (reports, closed orders,
markers) is committed without waiting for the disk, and PostgreSQL keeps the order of commits, so a crash
loses only a tail of it, which replay writes again. Named SQL is in `sql.py`.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import yoyo
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from simulators.exchange import sql
from simulators.exchange.changes import Numbered
from simulators.exchange.commands import Entry, Repeat, decode, encode
from simulators.exchange.orders import ClientOrder
from simulators.exchange.reports import Report
from simulators.exchange.tape import Print
from simulators.market_feed.frames import MINUTE_US, SessionPhase, Trade

_WRITER_LOCK = 0x45584348  # "EXCH"
_MIGRATIONS = Path(__file__).with_name("migrations")


class StoreBusyError(Exception):
    """Another exchange process writes to this database."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that could be neither answered nor applied."""

    message_id: str
    entry: str
    error: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The wire bodies of one journal position's reports."""

    position: int
    bodies: tuple[bytes, ...]


def migrate(dsn: str) -> None:
    """Bring the database's schema to the newest version."""
    uri = "postgresql+psycopg://" + dsn.partition("://")[2]
    backend = yoyo.get_backend(uri)
    try:
        with backend.lock():
            backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(_MIGRATIONS))))
    finally:
        backend.connection.close()


def address(dsn: str) -> str:
    """Host, port and database of a DSN, without its password, for logs."""
    parts = conninfo_to_dict(dsn)
    return f"{parts.get('host')}:{parts.get('port')}/{parts.get('dbname')}"


class Store:
    """The writing side. Methods raise `psycopg.OperationalError` when PostgreSQL is unavailable: reopen and recover."""

    def __init__(self, connection: AsyncConnection[tuple[Any, ...]]) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str) -> AsyncIterator["Store"]:
        """Connect and become the only writer. Raises StoreBusyError."""
        connection = await AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
        async with connection:
            taken = await (await connection.execute(sql.TAKE_LOCK, (_WRITER_LOCK,))).fetchone()
            if taken != (True,):
                raise StoreBusyError(f"another exchange writes to {address(dsn)}: stop it first")
            yield cls(connection)

    # --- recovery -------------------------------------------------------------------------------------

    async def snapshot(self) -> dict[str, Any] | None:
        """The newest snapshot."""
        row = await (await self._connection.execute(sql.NEWEST_SNAPSHOT)).fetchone()
        return None if row is None else row[0]

    async def markers(self) -> dict[str, int]:
        """All markers by name."""
        return {name: value async for name, value in await self._connection.execute(sql.MARKERS)}

    async def set_marker(self, name: str, value: int) -> None:
        """Durably set one marker."""
        await self._connection.execute(sql.SET_MARKER, (value, name))

    async def entries(self, after: int, limit: int) -> list[Entry]:
        """Journal entries behind a position, in order."""
        rows = await self._connection.execute(sql.JOURNAL_PAGE, (after, limit))
        return [Entry(row[0], row[1], row[2], decode(row[3], row[4])) async for row in rows]

    async def last_received_at(self) -> datetime | None:
        """Time of the newest journal entry that is kept."""
        row = await (await self._connection.execute(sql.LAST_RECEIVED)).fetchone()
        return None if row is None else row[0]

    # --- one batch ------------------------------------------------------------------------------------

    async def known(
        self, request_ids: Sequence[str], order_ids: Sequence[str], as_of: int
    ) -> tuple[set[str], list[ClientOrder]]:
        """Which requests are journaled, and which orders had ended by position `as_of`."""
        async with self._connection.pipeline():
            seen = await self._connection.execute(sql.KNOWN_REQUESTS, (list(request_ids),))
            closed = await self._connection.execute(sql.CLOSED_ORDERS, (list(order_ids), as_of))
        requests = {row[0] for row in await seen.fetchall()}
        return requests, [ClientOrder.restored(row[0]) for row in await closed.fetchall()]

    async def journal(self, entries: Sequence[Entry], parked: Sequence[Parked], now: datetime) -> None:
        """Durably append entries and parked ones in one transaction."""
        async with self._connection.pipeline(), self._connection.transaction():
            if entries:
                await self._connection.execute(sql.APPEND_JOURNAL, _journal_columns(entries))
            if parked:
                columns = ([p.message_id for p in parked], [p.entry for p in parked], [p.error for p in parked])
                await self._connection.execute(sql.PARK, (now, *columns))

    async def archive(
        self,
        applied: int,
        reports: Sequence[Report],
        bodies: Sequence[bytes],
        closed: Sequence[ClientOrder],
        repeats: Iterable[tuple[int, Repeat]],
        trades: Sequence[Print] = (),
    ) -> None:
        """Write the results of applying the journal up to `applied`, in one transaction."""
        async with self._connection.pipeline(), self._connection.transaction():
            await self._connection.execute(sql.COMMIT_WITHOUT_WAITING)
            if reports:
                await self._connection.execute(sql.APPEND_REPORTS, _report_columns(reports, bodies))
            if closed:
                await self._connection.execute(sql.APPEND_CLOSED, _closed_columns(closed))
            for position, repeat in repeats:
                values = (position, repeat.order_id, repeat.request_id, repeat.from_sequence)
                await self._connection.execute(sql.APPEND_REPEAT, values)
            if trades:
                await self._connection.execute(sql.APPEND_TRADES, _trade_columns(trades))
            await self._connection.execute(sql.SET_MARKER, (applied, "applied"))

    # --- housekeeping ---------------------------------------------------------------------------------

    async def save_snapshot(self, position: int, state: dict[str, Any], keep_days: int) -> None:
        """Replace the snapshot, and delete what neither it nor the retention needs."""
        async with self._connection.transaction():
            await self._connection.execute(sql.SAVE_SNAPSHOT, (position, orjson.dumps(state).decode()))
            await self._connection.execute(sql.DELETE_OLD_SNAPSHOTS, (position,))
            await self._connection.execute(sql.DELETE_OWN_ENTRIES, (position,))
            row = await (await self._connection.execute(sql.RETENTION_END, (keep_days, position))).fetchone()
            if row is not None and row[0] is not None:
                for statement in sql.DELETE_EXPIRED:
                    await self._connection.execute(statement, {"position": row[0]})
            await self._connection.execute(sql.FORGET_TRADES, (keep_days,))
            await self._connection.execute(sql.DELETE_PARKED, (keep_days,))


class Archive:
    """The reading side, for the sender and the admin API, on any connection of theirs."""

    def __init__(self, connection: AsyncConnection[tuple[Any, ...]]) -> None:
        self._connection = connection

    async def sent(self) -> int:
        """Last position whose reports have all gone out."""
        row = await (await self._connection.execute(sql.MARKER, ("sent",))).fetchone()
        return int(row[0]) if row else 0

    async def unsent(self, after: int, until: int) -> list[Outgoing]:
        """Bodies to send for positions in (after, until], repeats included."""
        window = {"after": after, "until": until}
        rows = await self._connection.execute(sql.UNSENT, window)
        gathered: dict[int, list[bytes]] = {}
        async for position, body in rows:
            gathered.setdefault(position, []).append(body.encode())
        return [Outgoing(position, tuple(bodies)) for position, bodies in gathered.items()]

    async def mark_sent(self, position: int) -> None:
        """Note that everything up to the position has gone out."""
        async with self._connection.pipeline(), self._connection.transaction():
            await self._connection.execute(sql.COMMIT_WITHOUT_WAITING)
            await self._connection.execute(sql.SET_MARKER, (position, "sent"))
            await self._connection.execute(sql.DELETE_REPEATS, (position,))

    async def closed_order(self, order_id: str) -> ClientOrder | None:
        """The newest archived state of an order."""
        row = await (await self._connection.execute(sql.CLOSED_ORDER, (order_id,))).fetchone()
        return None if row is None else ClientOrder.restored(row[0])

    async def reports_of(self, order_id: str) -> list[dict[str, Any]]:
        """All reports of an order in the order they were made."""
        return [row[0] async for row in await self._connection.execute(sql.REPORTS_OF, (order_id,))]

    async def executions(self, trade_date: str, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """A page of the trade date's TRADE reports with their cursors."""
        rows = await self._connection.execute(sql.EXECUTIONS, (trade_date, after, limit))
        return [(row[0], row[1]) async for row in rows]

    async def numbered(self, after: int, settled: datetime, limit: int) -> list[Numbered]:
        """The oldest reports behind a report id that were made by `settled` (UTC)."""
        values = {"after": after, "settled": settled, "limit": limit}
        return [Numbered(*row) async for row in await self._connection.execute(sql.NUMBERED, values)]

    async def trades_after(self, instrument_id: str, epoch: int, after: int, limit: int) -> list[Trade]:
        """The oldest trades of an epoch behind a sequence."""
        rows = await self._connection.execute(sql.TRADES_AFTER, (instrument_id, epoch, after, limit))
        return [_trade(row) async for row in rows]

    async def trades_of_minute(
        self, instrument_id: str, minute: int, after: tuple[int, int], limit: int
    ) -> list[Trade]:
        """The oldest trades of a minute behind an (epoch, sequence)."""
        values = (instrument_id, minute, minute + MINUTE_US, *after, limit)
        return [_trade(row) async for row in await self._connection.execute(sql.TRADES_OF_MINUTE, values)]

    async def forgot_after(self, instrument_id: str, epoch: int, after: int) -> bool:
        """Whether retention has deleted trades of the epoch behind a sequence."""
        rows = await self._connection.execute(sql.FORGOTTEN_AFTER, (instrument_id, epoch, after))
        return await rows.fetchone() is not None

    async def forgot_minute(self, instrument_id: str, minute: int) -> bool:
        """Whether retention has deleted trades of the minute or of a later one."""
        rows = await self._connection.execute(sql.FORGOTTEN_MINUTE, (instrument_id, minute))
        return await rows.fetchone() is not None

    async def parked(self) -> int:
        """How many entries are parked."""
        row = await (await self._connection.execute(sql.PARKED_COUNT)).fetchone()
        return int(row[0]) if row else 0


def _journal_columns(entries: Sequence[Entry]) -> tuple[list[Any], ...]:
    encoded = [encode(entry.command) for entry in entries]
    return (
        [entry.position for entry in entries],
        [entry.received_at for entry in entries],
        [entry.trade_date for entry in entries],
        [kind for kind, _ in encoded],
        [entry.request_id for entry in entries],
        [orjson.dumps(body).decode() for _, body in encoded],
    )


def _report_columns(reports: Sequence[Report], bodies: Sequence[bytes]) -> tuple[list[Any], ...]:
    return (
        [report.report_id for report in reports],
        [report.order_id for report in reports],
        [report.request_id for report in reports],
        [report.trade_date for report in reports],
        [report.exec_type for report in reports],
        [report.report_sequence for report in reports],
        [body.decode() for body in bodies],
    )


def _trade(row: tuple[Any, ...]) -> Trade:
    epoch, sequence, exchange_time, phase, price, quantity = row
    return Trade(epoch, sequence, exchange_time, SessionPhase(phase), price, quantity)


def _trade_columns(trades: Sequence[Print]) -> tuple[list[Any], ...]:
    return (
        [trade.instrument_id for trade in trades],
        [trade.epoch for trade in trades],
        [trade.sequence for trade in trades],
        [trade.exchange_time for trade in trades],
        [trade.phase.value for trade in trades],
        [trade.price for trade in trades],
        [trade.quantity for trade in trades],
        [trade.recorded_at for trade in trades],
    )


def _closed_columns(closed: Sequence[ClientOrder]) -> tuple[list[Any], ...]:
    return (
        [order.order_id for order in closed],
        [order.closed_at for order in closed],
        [orjson.dumps(order.state()).decode() for order in closed],
    )
