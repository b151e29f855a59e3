"""The orchestration trigger's input: one JSON text, in the extension's shape.

Rules: the timer durations are left out, so that a long timer is one timer; `input` is the stored JSON text
itself (clients and callers store the JSON of a JSON text, which is what `get_input` decodes).
"""

from collections.abc import Iterable

import orjson

from emulators.durable.execution import Execution
from emulators.durable.history import Event, slim


def trigger_payload(execution: Execution, begun: Iterable[Event]) -> str:
    """The trigger's JSON for a turn that begins with `begun`."""
    start = execution.start
    history = b",".join([*execution.slim_history, *slim(begun)])
    parent = start.parent.instance_id if start.parent is not None else None
    return (
        f'{{"history":[{history.decode()}],"input":{start.input or "null"},'
        f'"instanceId":{_json(start.instance_id)},"isReplaying":{"false" if execution.is_fresh else "true"},'
        f'"parentInstanceId":{_json(parent)},"upperSchemaVersion":1,"upperSchemaVersionNew":2,'
        '"defaultHttpAsyncRequestSleepTimeMillseconds":30000}'
    )


def _json(value: str | None) -> str:
    return orjson.dumps(value).decode()
