"""Named SQL beside this package: `-- name: some_name` begins a statement."""

from collections.abc import Mapping
from pathlib import Path

from shared.adapters.postgres.queries import statements


def load(file: str) -> Mapping[str, str]:
    """Statements of a file of this package by name, in its order. Raises ValueError on a repeated name."""
    return statements((Path(__file__).parent / file).read_text(encoding="utf-8"), file)
