"""One file that holds a sandbox: taken from a stopped one by copying, from a running one by pg_basebackup.

All truth is in PostgreSQL, whose base backup is one consistent moment over all databases; the identity
keys, secrets and settings beside it never change while it runs. The cache, logs and ports are left out.
"""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from emulators.processes.postgres import binaries
from sandbox.errors import SandboxError
from sandbox.folder import DataFolder
from sandbox.report import Report
from sandbox.running import Running

_KEPT = ("VERSION", "secrets.json", "local.settings.json", "seeded", "entra", "host", "postgres/password")
_CLUSTER = "postgres/data"
_NOT_KEPT = frozenset({"postmaster.pid", "postmaster.opts"})


def back_up(path: Path, target: Path, report: Report) -> None:
    """Write a gzipped tar of the data folder. Raises SandboxError."""
    running = Running.at(path)
    hot = running.is_serving()
    with _new_file(target) as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as archive:
        if hot:
            _add_settings(archive, running.folder)
            _add_base_backup(archive, running)
        else:
            with running.folder.owned():
                _add_settings(archive, running.folder)
                archive.add(running.folder.path / _CLUSTER, _CLUSTER, filter=_cluster_member)
    how = "from the running sandbox" if hot else "from the stopped sandbox"
    report.done(f"Backup {how}", report.elapsed_s, f"{target} ({target.stat().st_size / 1e6:.1f} MB)")


def _add_settings(archive: tarfile.TarFile, folder: DataFolder) -> None:
    for name in _KEPT:
        if (folder.path / name).exists():
            archive.add(folder.path / name, name)


def _add_base_backup(archive: tarfile.TarFile, running: Running) -> None:
    """Copy pg_basebackup's tar stream, member by member, under the cluster's name."""
    command = [str(binaries() / "pg_basebackup"), "--pgdata=-", "--format=tar", "--wal-method=fetch"]
    command += ["--checkpoint=fast", "--no-manifest", f"--dbname={running.dsn('postgres')}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as source:
                for member in source:
                    content = source.extractfile(member) if member.isfile() else None
                    member.name = f"{_CLUSTER}/{member.name.removeprefix('./')}".rstrip("/.")
                    archive.addfile(member, content)
        except tarfile.ReadError:
            process.kill()
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise SandboxError(f"PostgreSQL gave no backup ({said or process.returncode}): stop the sandbox and try again.")


def _cluster_member(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name in _NOT_KEPT else member


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A private file that gets its name only when it is complete, and never replaces another."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    if target.exists():
        raise SandboxError(f"{target} already exists: name another file with BACKUP=FILE.")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        unfinished.rename(target)
    except OSError as error:
        raise SandboxError(
            f"{target} cannot be written ({error.strerror}): name another file with BACKUP=FILE."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
