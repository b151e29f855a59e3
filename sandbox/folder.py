"""The data folder: everything that a sandbox keeps, in one place that can be copied, moved and deleted.

Rules: one owner at a time, held by a file lock that ends with its process; a folder that is not a
sandbox's is never written to or deleted; `FORMAT` older than the folder's is refused, newer migrates it.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.files import write_private

_MARK = "serverless-broker data folder, format "
_LEFT_BY_US = frozenset({"VERSION.new", "lock", "restore.unpacking", "restore.complete"})


@dataclass(frozen=True)
class DataFolder:
    """Paths inside one data folder; `open` makes or checks it."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "DataFolder":
        """The folder by its absolute path, which also marks its processes."""
        return cls(path.expanduser().resolve())

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def entra(self) -> Path:
        return self.path / "entra"

    @property
    def messaging_certificate(self) -> Path:
        """Certificate and key of the Service Bus emulator's administration API."""
        return self.path / "messaging-admin.pem"

    @property
    def host(self) -> Path:
        return self.path / "host"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def settings_file(self) -> Path:
        return self.path / "local.settings.json"

    @property
    def secrets_file(self) -> Path:
        return self.path / "secrets.json"

    @property
    def ports_file(self) -> Path:
        return self.path / "ports.json"

    @property
    def state_file(self) -> Path:
        """What runs now: written by the running sandbox, read by `status` and the test harness."""
        return self.path / "run.json"

    @property
    def seeded_file(self) -> Path:
        """Fingerprint of the migrations and demo data that the databases hold."""
        return self.path / "seeded"

    def open(self) -> None:
        """Make the folder, or check and migrate an existing one; the caller owns it. Raises SandboxError."""
        if self.format() is None:
            write_private(self.path / "VERSION", f"{_MARK}{FORMAT}\n")
        self._migrate()
        for folder in (self.entra, self.host, self.logs, self.valkey):
            folder.mkdir(exist_ok=True, mode=0o700)
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(exist_ok=True, mode=0o700)

    def format(self) -> int | None:
        """The folder's format, None when it is absent or empty. Raises SandboxError when it is not ours."""
        version = self.path / "VERSION"
        if not version.exists():
            if self.path.exists() and {entry.name for entry in self.path.iterdir()} - _LEFT_BY_US:
                raise SandboxError(
                    f"{self.path} is not empty and not a sandbox's data folder: choose another one with BROKER_DATA."
                )
            return None
        text = version.read_text(errors="replace").strip()
        if not text.startswith(_MARK) or not text.removeprefix(_MARK).isdecimal():
            raise SandboxError(f"{version} is damaged: restore a backup with `make restore`, or move the folder away.")
        return int(text.removeprefix(_MARK))

    def check_format(self) -> int:
        """The folder's format, 0 when it has none yet. Raises SandboxError when it comes from newer code."""
        found = self.format() or 0
        if found > FORMAT:
            raise SandboxError(
                f"{self.path} was made by a newer version (format {found}; this version reads {FORMAT}): "
                "update the code, or choose another folder with BROKER_DATA."
            )
        return found

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the folder's lock. Raises SandboxError when another sandbox holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.format()  # before anything is written
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "read-only")
        except OSError as error:
            raise SandboxError(
                f"{self.path} cannot be used ({error.strerror}): choose a folder that you may write with BROKER_DATA."
            ) from error
        try:
            self._lock(lock)
            yield
        finally:
            os.close(lock)

    def _lock(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise SandboxError(
                f"A sandbox already runs on {self.path} (process {owner}): "
                "stop it with Ctrl-C, or choose another folder with BROKER_DATA."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def _migrate(self) -> None:
        found = self.check_format()
        for number, migrate in enumerate(_MIGRATIONS[found:], start=found + 1):
            migrate(self)
            write_private(self.path / "VERSION", f"{_MARK}{number}\n")


def _mark_folder(_: DataFolder) -> None:
    """Format 1 is the first: there is nothing to change."""


# Entry N makes format N + 1 out of format N; each must be repeatable, because a kill may come between it and its mark.
_MIGRATIONS: Sequence[Callable[[DataFolder], None]] = (_mark_folder,)
FORMAT = len(_MIGRATIONS)
