"""Invariant 17 on the bus: at rest no queue holds an active, deferred or scheduled message."""

from collections.abc import Iterator

import psycopg
from psycopg.rows import dict_row

from sandbox.verify.model import Check, Inspection, Violation

_NAME = "queues are drained"
_WAITING = """
SELECT q.name AS queue, min(m.enqueued_at) AS oldest
FROM message m JOIN queue q ON q.id = m.queue_id
WHERE NOT m.dead_lettered AND m.enqueued_at <= %s
GROUP BY q.name ORDER BY q.name
"""


def checks() -> list[Check]:
    """Messages are on their way for moments; dead letters are for operations to see, not a backlog."""
    return [Check(17, _NAME, _run, settles=True)]


def _run(inspection: Inspection) -> Iterator[Violation]:
    if inspection.sources.messaging is None:
        return
    with psycopg.connect(inspection.sources.messaging, row_factory=dict_row) as connection:
        rows = connection.execute(_WAITING, (inspection.cutoff,)).fetchall()
    if rows:
        yield Violation(17, _NAME, tuple(rows))
