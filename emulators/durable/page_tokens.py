"""Where a list of instances goes on: the last row's place in the order, as an opaque text."""

import base64
import json
from datetime import datetime
from typing import Any

from emulators.durable.limits import LimitExceededError
from emulators.durable.store import InstanceRow


def write_token(row: InstanceRow) -> str:
    """The place behind this row."""
    position: list[Any] = [row.created_at.isoformat(), row.instance_id]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def read_token(token: str | None) -> tuple[datetime, str] | None:
    """The place that `write_token` wrote; None for the beginning. Raises LimitExceededError."""
    if not token or token == "null":  # noqa: S105 - .NET clients send the word
        return None
    try:
        moment, instance_id = json.loads(base64.urlsafe_b64decode(token))
        return datetime.fromisoformat(moment), str(instance_id)
    except (ValueError, TypeError) as error:
        raise LimitExceededError("The continuation token is not one that this task hub gave out.") from error
