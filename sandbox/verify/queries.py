"""Named SQL beside this package: `-- name: some_name` begins a statement."""

import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load(file: str) -> Mapping[str, str]:
    """Statements of a file of this package by name, in its order."""
    parts = _NAME.split((Path(__file__).parent / file).read_text(encoding="utf-8"))[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
