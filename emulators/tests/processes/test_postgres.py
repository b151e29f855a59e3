"""Whose a PostgreSQL is that root started."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from emulators.processes.postgres import PostgresServer
from emulators.processes.users import NOBODY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes another user")
_READ = """
import os, sys
os.setgroups([]); os.setresgid({0}, {0}, {0}); os.setresuid({0}, {0}, {0})
for path in sys.argv[1:]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).close()
    except PermissionError:
        continue
    print(path)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    folder = tmp_path / "postgres"
    yield folder
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode & ~0o011 if parent != Path("/tmp") else 0o1777)


def _open_to_nobody(folder: Path) -> list[str]:
    paths = [str(folder / name) for name in ("password", "data", "data/PG_VERSION", "log")]
    command = [sys.executable, "-I", "-c", _READ.format(NOBODY), *paths]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_roots_server_is_closed_to_the_shared_user(folder: Path) -> None:
    server = PostgresServer.start(folder, fsync=False)
    try:
        assert server.process is not None
        assert psutil.Process(server.process.pid).uids().effective == (folder / "data").stat().st_uid != NOBODY
        assert _open_to_nobody(folder) == []
    finally:
        server.stop()


def test_a_folder_of_the_shared_user_is_taken_from_it(folder: Path) -> None:
    PostgresServer.start(folder, fsync=False).stop()
    for path in (folder / "password", folder / "data", *(folder / "data").rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    assert _open_to_nobody(folder) != []

    server = PostgresServer.start(folder, fsync=False)
    try:
        assert server.accepts_connections()
        assert _open_to_nobody(folder) == []
    finally:
        server.stop()
