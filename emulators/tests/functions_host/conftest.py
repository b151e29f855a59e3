"""Fixtures: one running HTTP app for the session, one PostgreSQL for the tests that need it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulators.processes.postgres import PostgresServer
from emulators.tests.functions_host.running import RunningHost

type StartHost = Callable[..., RunningHost]


@pytest.fixture(scope="session")
def http_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    host = RunningHost.start(tmp_path_factory.mktemp("http-host"), "http", "--body-limit", "100000")
    yield host.wait_ready()
    host.stop()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"), fsync=False)
    yield server
    server.stop()


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[StartHost]:
    """Starts hosts that end with the test."""
    started: list[RunningHost] = []

    def start(app: str | Path, *options: str, name: str = "host", **environment: str) -> RunningHost:
        host = RunningHost.start(tmp_path / name, app, *options, environment=environment)
        started.append(host)
        return host

    yield start
    for host in started:
        host.stop()


@pytest.fixture
def write_app(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a one-file app; returns its folder."""

    def write(source: str, host_json: str = '{"version": "2.0"}') -> Path:
        folder = tmp_path / "written"
        folder.mkdir()
        (folder / "function_app.py").write_text(source)
        (folder / "host.json").write_text(host_json)
        return folder

    return write
