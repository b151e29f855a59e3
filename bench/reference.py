"""Runs the naive endpoint beside a broker: same PostgreSQL server, Redis and identity, its own database."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import orjson
import psycopg

from bench.brokers import INSTRUMENTS
from bench.naive import SCHEMA
from emulators.processes.postgres import free_port
from sandbox.harness import Sandbox

_READY_WITHIN_S = 20.0
_DATABASE = "naive"


@contextmanager
def naive(sandbox: Sandbox, users: Sequence[tuple[str, str]], processes: int) -> Iterator[str]:
    """Serve it; yields the URL of its endpoint."""
    _prepare(sandbox, users)
    settings = sandbox.running.app_settings()
    settings = {
        "database": sandbox.dsn(_DATABASE),
        "redis": settings["REDIS_URL"],
        "jwks_url": settings["ENTRA_JWKS_URL"],
        "issuer": settings["ENTRA_ISSUER"],
        "audience": settings["ENTRA_AUDIENCE"],
    }
    port = free_port()
    words = ["--port", str(port), "--workers", str(processes), "--timeout-keep-alive", "75"]
    words += ["--log-level", "warning", "--no-access-log"]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "bench.naive:app", *words],
        env=os.environ | {"NAIVE_SETTINGS": orjson.dumps(settings).decode()},
    )
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}/api/orders"
    finally:
        process.terminate()
        process.wait()


def _prepare(sandbox: Sandbox, users: Sequence[tuple[str, str]]) -> None:
    with psycopg.connect(sandbox.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {_DATABASE}")
    with psycopg.connect(sandbox.dsn(_DATABASE)) as connection:
        connection.execute(SCHEMA)
        with connection.cursor().copy("COPY customers FROM STDIN") as copy:
            for user_id, _ in users:
                copy.write_row((user_id, "ACTIVE"))
        with connection.cursor().copy("COPY balances FROM STDIN") as copy:
            for user_id, _ in users:
                for asset in ("INR", *INSTRUMENTS):
                    copy.write_row((user_id, asset, 10**12))


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
