"""Stored orchestration histories as files, and how they are taken from a task hub's database.

    {"instance_id", "name", "status", "output", "execution_id", "chunks": [0, ...], "turns": [[event, ...], ...]}

Events are as `durable.history` holds them.
"""

import json
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from emulators.durable.history import event_from_json
from sandbox.verify.durable import History

FOLDER = Path(__file__).with_name("histories")
_ROWS = """
SELECT i.instance_id, i.name, i.status, i.output, h.execution_id::text AS execution_id, h.chunk, h.events
FROM durable.history h JOIN durable.instances i USING (execution_id) WHERE i.instance_id = %s ORDER BY h.chunk
"""


def export(dsn: str, instance_id: str, name: str) -> bool:
    """Write the history of an ended instance to `histories/<name>.json`; False while it has not ended."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        rows = connection.execute(_ROWS, (instance_id,)).fetchall()
    if not rows or rows[0]["status"] != "Completed":
        return False
    head = {key: rows[0][key] for key in ("instance_id", "name", "status", "output", "execution_id")}
    content = head | {"chunks": [row["chunk"] for row in rows], "turns": [row["events"] for row in rows]}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    return True


def read(name: str) -> History:
    """A stored history."""
    content = json.loads((FOLDER / f"{name}.json").read_text())
    turns = [[event_from_json(event) for event in turn] for turn in content.pop("turns")]
    return History(**content, turns=turns)
