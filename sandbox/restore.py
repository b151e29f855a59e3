"""Put a backup back: unpacked beside the present contents, checked, then put in their place.

Rules: nothing present is touched before the backup is unpacked and checked; a kill in the middle of the
exchange is finished by the next start; an archive can neither leave the folder nor bring devices along.
"""

import shutil
import tarfile
from pathlib import Path

from emulators.processes.postgres import PostgresServer
from sandbox.errors import SandboxError
from sandbox.folder import DataFolder
from sandbox.leftovers import end_leftovers
from sandbox.report import Report

_INCOMING = "restore.unpacking"
_COMPLETE = "restore.complete"
_ESSENTIAL = ("VERSION", "secrets.json", "postgres/password", "postgres/data/PG_VERSION")


def restore(source: Path, path: Path, report: Report, *, force: bool) -> None:
    """Fill the data folder from the backup. Raises SandboxError, for one that holds data unless forced."""
    folder = DataFolder.at(path)
    if not source.is_file():
        raise SandboxError(f"{source} is no backup file: name one with BACKUP=FILE.")
    with folder.owned():
        if folder.format() is not None and not force:
            raise SandboxError(f"{folder.path} already holds a sandbox: add FORCE=1 to replace it.")
        incoming = folder.path / _INCOMING
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(mode=0o700)
        try:
            _unpack(source, incoming)
        except BaseException:
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        end_leftovers(folder)
        PostgresServer(folder.postgres, 0).end_previous()
        incoming.rename(folder.path / _COMPLETE)
        finish_restore(folder)
    report.done("Restored", report.elapsed_s, f"{folder.path} from {source}")


def finish_restore(folder: DataFolder) -> None:
    """Put a completely unpacked backup in the place of what is there; repeatable after a kill."""
    complete = folder.path / _COMPLETE
    if not complete.exists():
        return
    # VERSION goes last, so that until then a kill leaves the folder to be finished here.
    for entry in sorted(complete.iterdir(), key=lambda entry: entry.name == "VERSION"):
        _remove(folder.path / entry.name)
        entry.rename(folder.path / entry.name)
    for name in ("valkey", "run.json", "logs"):
        _remove(folder.path / name)
    complete.rmdir()


def _unpack(source: Path, incoming: Path) -> None:
    try:
        with tarfile.open(source, "r:gz") as archive:
            archive.extractall(incoming, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SandboxError(f"{source} cannot be unpacked ({error}): use another backup.") from error
    missing = [name for name in _ESSENTIAL if not (incoming / name).exists()]
    if missing:
        raise SandboxError(f"{source} is not a sandbox's backup ({missing[0]} is missing): use another one.")
    DataFolder(incoming).check_format()
    PostgresServer(incoming / "postgres", 0).adopt_files()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
