"""Named SQL from the `.sql` files beside the adapters: `-- name: some_name` begins a statement.

`{order_columns}` and the other names of `rows.PARTS` stand for the columns of an order's row.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from shared.adapters.postgres.rows import PARTS

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load(file: str) -> Mapping[str, str]:
    """Statements of `file` (a name in this folder) by name. Raises ValueError on a repeated name."""
    return statements((Path(__file__).parent / file).read_text(encoding="utf-8"), file)


def statements(text: str, file: str) -> Mapping[str, str]:
    """Statements of a text by name; `file` is named in errors."""
    for name, columns in PARTS.items():
        text = text.replace(f"{{{name}}}", columns)
    parts = _NAME.split(text)
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: a statement name is used twice")
    return {name: body.strip().rstrip(";") for name, body in zip(names, bodies, strict=True)}
