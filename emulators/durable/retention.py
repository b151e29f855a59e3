"""Purges finished instances after the time that host.json gives each final status.

Rules: several workers may sweep at once, rows locked by another one are skipped; a sweep deletes in small
batches, so that no commit of a turn waits long.
Source: retention policies of the Durable Task Scheduler,
https://learn.microsoft.com/azure/azure-functions/durable/durable-task-scheduler/durable-task-scheduler-auto-purge
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from emulators.durable.store import Store

_BATCH = 200
_LONGEST_PAUSE_S = 60.0
_SHORTEST_PAUSE_S = 0.2


async def keep_purging(store: Store, retention: Mapping[str, timedelta]) -> None:
    """Sweep until cancelled; returns at once if nothing is to be purged."""
    if not retention:
        return
    shortest_s = min(age.total_seconds() for age in retention.values())
    pause_s = min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, shortest_s / 4))
    while True:
        for status, age in retention.items():
            await _purge(store, status, datetime.now(UTC) - age)
        await asyncio.sleep(pause_s)


async def _purge(store: Store, status: str, before: datetime) -> None:
    deleted = _BATCH
    while deleted == _BATCH:
        deleted = await store.count("retire_instances", status=status, before=before, limit=_BATCH)
