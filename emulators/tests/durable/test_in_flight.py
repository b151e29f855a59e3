"""Ten thousand orchestrations in flight: one worker holds them in bounded memory, and each finishes once."""

import asyncio
import os
from pathlib import Path

import psycopg
import pytest

from emulators.durable.history import EventRaised
from emulators.tests.durable.conftest import OpenHub
from emulators.tests.durable.support import utc_now
from emulators.tests.durable.test_crashes import worker_process
from emulators.tests.support.waiting import eventually

IN_FLIGHT = int(os.environ.get("DURABLE_IN_FLIGHT", "10000"))
MOST_MB = 256


@pytest.mark.slow
async def test_ten_thousand_in_flight_finish_once_in_bounded_memory(
    session_dsn: str, open_hub: OpenHub, hub_name: str
) -> None:
    """How many by the environment: DURABLE_IN_FLIGHT=100000."""
    hub = await open_hub()
    names = [f"{hub_name}-{number}" for number in range(IN_FLIGHT)]
    async with worker_process(session_dsn, hub_name) as worker:
        await asyncio.gather(*(hub.client.start("patient", name, None) for name in names))
        await eventually(lambda: _all_are(session_dsn, hub_name, "Running"), 120.0, 0.1)
        await asyncio.gather(*(hub.client.send(name, EventRaised(utc_now(), "go", f'"{name}"')) for name in names))
        await eventually(lambda: _all_are(session_dsn, hub_name, "Completed"), 120.0, 0.1)
        assert _peak_mb(worker.pid) < MOST_MB
    assert await _count(session_dsn, _ENDS, hub_name) == IN_FLIGHT
    assert await _count(session_dsn, _RIGHT_ANSWERS, hub_name) == IN_FLIGHT


_STATUS = "SELECT count(*) FROM durable.instances WHERE hub = %s AND status = %s"
_ENDS = """
SELECT count(*)
FROM durable.instances JOIN durable.history USING (execution_id), json_array_elements(events)
WHERE hub = %s AND value->>'EventType' = '1'
"""
_RIGHT_ANSWERS = "SELECT count(*) FROM durable.instances WHERE hub = %s AND output = format('\"%%s\"', instance_id)"


async def _all_are(dsn: str, hub: str, status: str) -> bool:
    return await _count(dsn, _STATUS, hub, status) == IN_FLIGHT


async def _count(dsn: str, query: str, *parameters: str) -> int:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(query.encode(), parameters)
        [count] = await cursor.fetchone() or [0]
    return int(count)


def _peak_mb(pid: int) -> float:
    """The most memory that a process has had resident."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
