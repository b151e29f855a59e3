"""What one order costs, measured at load on a sandbox of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import psycopg

from bench.brokers import broker, check_invariants, drain, prices, tokens
from bench.client import Plan, drive
from bench.report import say
from bench.sizing.model import Measured
from bench.usage import Usage, usage_of
from sandbox.harness import Sandbox

_USERS = 1_008
_CONNECTIONS = 64
_WARM_UP_S = 2.0
# Each backend's own share of the log: the cluster's includes the emulators' databases.
_LOG = """
SELECT coalesce(sum((pg_stat_get_backend_wal(pid)).wal_bytes), 0) FROM pg_stat_activity WHERE datname = 'broker'
"""
_MESSAGES = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'message'"
_BYTES = """
SELECT (SELECT coalesce(sum(octet_length(body::text)), 0) FROM journal WHERE request_id IS NOT NULL)
     + (SELECT coalesce(sum(octet_length(body::text)), 0) FROM report)
"""


@dataclass(frozen=True, slots=True)
class _Reading:
    used: Usage
    wal_bytes: float
    messages: float
    bus_bytes: float


def measure(seconds: float) -> Measured:
    """Drive orders to their fill for some seconds in a closed loop. Raises BenchmarkError."""
    with broker(_USERS) as sandbox, _plan(sandbox) as plan:
        drive(replace(plan, run_id="warm-up", seconds=_WARM_UP_S))
        drain(sandbox)
        before = _read(sandbox)
        load = drive(replace(plan, run_id="measured", seconds=seconds))
        drain(sandbox)
        after = _read(sandbox)
        check_invariants(sandbox, at_rest=True)
    orders = max(1, load.accepted)
    say(f"{load.accepted} orders to the fill")
    cpu = after.used.since(before.used).cpu_us_per_order(orders)
    return Measured(
        http_us=cpu.get("http", 0.0),
        rest_us=cpu.get("rest", 0.0),
        postgres_us=cpu.get("postgres:broker", 0.0),
        wal_bytes=round((after.wal_bytes - before.wal_bytes) / orders),
        bus_bytes=round((after.bus_bytes - before.bus_bytes) / orders),
        bus_messages=round((after.messages - before.messages) / orders, 3),
        measured_on=f"{date.today().isoformat()}, {_CONNECTIONS} connections, {orders} orders",  # noqa: DTZ011
    )


def _read(sandbox: Sandbox) -> _Reading:
    return _Reading(
        used=usage_of(sandbox),
        wal_bytes=_number(sandbox, "broker", _LOG),
        messages=_number(sandbox, "messaging", _MESSAGES),
        bus_bytes=_number(sandbox, "exchange", _BYTES),
    )


def _number(sandbox: Sandbox, database: str, query: str) -> float:
    with psycopg.connect(sandbox.dsn(database), autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(query).fetchone()
    return float(row[0]) if row else 0.0


@contextmanager
def _plan(sandbox: Sandbox) -> Iterator[Plan]:
    with TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "tokens.json"
        file.write_bytes(orjson.dumps(tokens(sandbox)))
        yield Plan(
            url=f"{sandbox.base_url}/api/orders",
            tokens_file=str(file),
            run_id="",
            seconds=0,
            connections=_CONNECTIONS,
            prices=prices(),
        )
