"""What the supervisor says: lines for people on standard output, its log on standard error."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

KEYS_HINT = "Keys: {file}. Send one as the header x-functions-key or as ?code=, or start with --no-keys.\n"
_KEYS = {"function": " (needs a function key)", "admin": " (needs the master key)"}


def needs_keys(functions: Sequence[dict[str, Any]]) -> bool:
    """Whether any function can be called with a key only."""
    return any(function.get("auth_level") in _KEYS for function in functions)


def described(function: dict[str, Any], *, keys: bool) -> str:
    """One line about a function, as the Core Tools print it, and which key it needs if `keys` are needed at all."""
    name = function["name"] + (" (disabled)" if function["disabled"] else "")
    if "url" not in function:
        return f"{name}: {function['trigger']}"
    methods = f"[{','.join(function['methods'])}] " if function["methods"] else ""
    return f"{name}: {methods}{function['url']}{_KEYS.get(function['auth_level'], '') if keys else ''}"


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
