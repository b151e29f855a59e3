"""Named SQL from the `.sql` files beside the adapters: `-- name: some_name` begins a statement."""

import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load(file: str) -> Mapping[str, str]:
    """Statements of `file` (a name in this folder) by name. Raises ValueError on a repeated name."""
    parts = _NAME.split((Path(__file__).parent / file).read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: a statement name is used twice")
    return {name: body.strip().rstrip(";") for name, body in zip(names, bodies, strict=True)}
