"""Rewinding in the database: one transaction for an instance and all its failed sub-orchestrations.

Rules: a failed instance is in no worker's memory, and its row is locked while it is rewritten, so nobody
else decides about it meanwhile. Open activities and timers get their rows back; the message at the end makes
the owner take them up and replay.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

import orjson

from emulators.durable.history import (
    Event,
    ExecutionRewound,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    dump_events,
    event_from_json,
)
from emulators.durable.rewinding import Rewound, rewind
from emulators.durable.store import Store, json_parameters
from emulators.durable.turn import COMPLETED, FAILED


async def rewind_instance(
    store: Store, partitions: int, instance_id: str, reason: str
) -> tuple[str | None, frozenset[int]]:
    """Rewind a failed instance; returns the status found and the partitions whose owners are to be woken."""
    woken: set[int] = set()
    async with store.connection.transaction():
        status = await _rewind(store, instance_id, reason, woken)
    return status, frozenset(woken)


async def _rewind(store: Store, instance_id: str, reason: str, woken: set[int]) -> str | None:
    rows = await store.rows("lock_instance", instance_id=instance_id)
    if not rows:
        return None
    row = rows[0]
    if row["status"] == FAILED:
        stored = await store.rows("load_history", execution_id=row["execution_id"])
        rewound = rewind([[event_from_json(data) for data in chunk["events"]] for chunk in stored])
        await _reopen(store, instance_id, row, rewound)
        for child in rewound.children:
            await _rewind_child(store, instance_id, row, child, reason, woken)
        await _tell(store, instance_id, row, ExecutionRewound(datetime.now(UTC), reason))
        woken.add(row["partition"])
    return str(row["status"])


async def _rewind_child(
    store: Store, parent_id: str, parent: dict[str, Any], child: SubOrchestrationCreated, reason: str, woken: set[int]
) -> None:
    """Rewind a child that failed; one that completed after its parent's end answers again."""
    status = await _rewind(store, child.instance_id, reason, woken)
    if status == COMPLETED:
        [row] = await store.rows("lock_instance", instance_id=child.instance_id)
        await _tell(store, parent_id, parent, SubOrchestrationCompleted(datetime.now(UTC), child.seq, row["output"]))


async def _reopen(store: Store, instance_id: str, row: dict[str, Any], rewound: Rewound) -> None:
    owner = {"instance_id": instance_id, "execution_id": row["execution_id"], "partition": row["partition"]}
    chunks = [
        {"chunk": number, "events": orjson.Fragment(dump_events(chunk))} for number, chunk in enumerate(rewound.chunks)
    ]
    await store.rows("rewrite_history", **owner, **json_parameters({"chunks": chunks}))
    tasks = [{"seq": event.seq, "name": event.name, "input": event.input} for event in rewound.tasks]
    await store.rows("reopen_tasks", **owner, **json_parameters({"tasks": tasks}))
    timers = [{"seq": event.seq, "fire_at": event.fire_at} for event in rewound.timers]
    await store.rows("reopen_timers", **owner, **json_parameters({"timers": timers}))
    await store.rows("reopen_instance", **owner)


async def _tell(store: Store, instance_id: str, row: dict[str, Any], event: Event) -> None:
    await store.rows(
        "put_message",
        message=uuid.uuid4(),
        partition=row["partition"],
        instance_id=instance_id,
        execution_id=row["execution_id"],
        event=orjson.dumps(event.to_json()).decode(),
    )
