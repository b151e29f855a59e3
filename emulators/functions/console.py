"""What the supervisor says: lines for people on standard output, its log on standard error."""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def described(function: dict[str, Any]) -> str:
    """One line about a function, as the Core Tools print it."""
    name = function["name"] + (" (disabled)" if function["disabled"] else "")
    if "url" not in function:
        return f"{name}: {function['trigger']}"
    methods = f"[{','.join(function['methods'])}] " if function["methods"] else ""
    return f"{name}: {methods}{function['url']}"


def report(error: Exception) -> None:
    """Say what failed in the supervisor itself."""
    warn(f"An internal error, after which the host goes on: {error!r}")


def say(line: str) -> None:
    """A line for people, on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def warn(line: str) -> None:
    """A line of the log: JSON like the groups' own unless on a terminal."""
    if not sys.stderr.isatty():
        moment = datetime.now(UTC).isoformat()
        line = json.dumps({"event": line, "level": "warning", "logger": "host.supervisor", "timestamp": moment})
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
