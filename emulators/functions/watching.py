"""Notices changes of an app's files by their times and sizes: no dependency, and it works on every file system."""

import os
from collections.abc import Iterator
from pathlib import Path

_NAMES = frozenset({"host.json", "local.settings.json"})
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})

type Stamp = tuple[int, int]


class Watcher:
    """The Python files, host.json and settings of one app; virtual environments and hidden folders are left out."""

    def __init__(self, app: Path, settings: Path | None) -> None:
        self._app = app
        self._settings = settings
        self._stamps = dict(self._look())

    def changed(self) -> list[str]:
        """Names of the files that changed, came or went since the last call."""
        stamps = dict(self._look())
        before, self._stamps = self._stamps, stamps
        return sorted(name for name in before.keys() | stamps.keys() if before.get(name) != stamps.get(name))

    def _look(self) -> Iterator[tuple[str, Stamp]]:
        yield from _stamps(self._app, self._app)
        if self._settings is not None and self._settings.exists():
            yield str(self._settings), _stamp(self._settings.stat())


def _stamps(folder: Path, root: Path) -> Iterator[tuple[str, Stamp]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # it went while we looked
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED and not entry.name.startswith("."):
                    yield from _stamps(Path(entry.path), root)
            elif entry.name.endswith(".py") or entry.name in _NAMES:
                yield os.path.relpath(entry.path, root), _stamp(entry.stat())
        except FileNotFoundError:
            continue  # an editor replaced it while we looked


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size
