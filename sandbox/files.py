"""Small files of the data folder: private, replaced whole, read with a sentence when damaged."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, readable by its owner only, so a kill leaves the old or the new one.

    A file that holds the text already is left alone: a part can be started again without room on the disk.
    """
    if _holds(path, text):
        return
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


_PRIVATE = 0o600


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.stat().st_mode & 0o777 == _PRIVATE and path.read_bytes() == text.encode()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file by the JSON object."""
    write_private(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The file's JSON object, empty when there is no file. Raises SandboxError, ending in the remedy."""
    try:
        content = json.loads(path.read_bytes()) if path.exists() else {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise SandboxError(f"{path} is damaged (not a JSON object): {remedy}.")
    return content


def fingerprint(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of the files, in sorted order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
