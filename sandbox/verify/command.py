"""`python -m sandbox verify` for a data folder, `python -m sandbox.verify --broker DSN …` for any other database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from emulators.processes.postgres import PostgresServer
from sandbox.errors import SandboxError
from sandbox.running import Running
from sandbox.verify.model import INVARIANTS, Sources, Terms, Verdict
from sandbox.verify.runner import verify
from shared.adapters.reference import load_reference_data

_EXIT_VIOLATED = 2


def main(data: Path, *, at_rest: bool = False, journal: Path | None = None) -> None:
    """Verify the sandbox of a data folder, print what was found, and exit with 2 on a violation."""
    _finish(verify_sandbox(data, at_rest=at_rest, journal=journal))


def verify_sandbox(data: Path, *, at_rest: bool = False, journal: Path | None = None) -> Verdict:
    """Verify the sandbox of a data folder, running or stopped. Raises SandboxError, PostgresError."""
    running = Running.at(data)
    if running.is_serving():
        dsns = {name: running.dsn(name) for name in ("broker", "messaging", "durable", "exchange")}
        return verify(Sources(**dsns, journal=journal), _terms(at_rest=at_rest))
    with running.folder.owned(), _postgres_alone(running) as server:
        dsns = {name: server.dsn(name) for name in ("broker", "messaging", "durable", "exchange")}
        return verify(Sources(**dsns, journal=journal), _terms(at_rest=at_rest, stopped=True))


def standalone(
    broker: Annotated[str, typer.Option(help="libpq URI of the broker's database")],
    exchange: Annotated[str | None, typer.Option(help="The venue's database (postgresql://) or admin API")] = None,
    messaging: Annotated[str | None, typer.Option(help="libpq URI of the messaging emulator's database")] = None,
    durable: Annotated[str | None, typer.Option(help="libpq URI of the Durable task hub's database")] = None,
    journal: Annotated[Path | None, typer.Option(help="JSON lines of the 202s that a client got")] = None,
    late_after_s: Annotated[float, typer.Option(help="Grace for deadlines")] = 120.0,
    settle_s: Annotated[float, typer.Option(help="How long things may be on their way")] = 15.0,
    *,
    at_rest: Annotated[bool, typer.Option(help="Everything must have drained")] = False,
    stopped: Annotated[bool, typer.Option(help="Nothing runs: take the time from the newest row")] = False,
) -> None:
    """Check every invariant and name the first violation; exit code 2 when there is one."""
    sources = Sources(broker, messaging, durable, exchange, journal)
    late = timedelta(seconds=late_after_s)
    try:
        _finish(verify(sources, _terms(at_rest=at_rest, stopped=stopped, late_after=late, settle_s=settle_s)))
    except psycopg.OperationalError as error:
        raise SystemExit(f"Error: a database does not answer ({str(error).splitlines()[0]}): is it running?") from None


def _terms(
    *, at_rest: bool, stopped: bool = False, late_after: timedelta = timedelta(minutes=2), settle_s: float = 15.0
) -> Terms:
    return Terms(load_reference_data().rate_cards, stopped, at_rest, late_after, settle_s)


@contextmanager
def _postgres_alone(running: Running) -> Iterator[PostgresServer]:
    """Only PostgreSQL, on the data of a stopped sandbox."""
    if not (running.folder.postgres / "data").exists():
        raise SandboxError(f"There is no database in {running.folder.path}: start the sandbox with `make run` first.")
    remains = PostgresServer(running.folder.postgres, 0)
    remains.end_previous()  # the folder is locked by us now, so a process that still serves it is a leftover
    server = PostgresServer.start(running.folder.postgres)
    try:
        yield server
    finally:
        server.stop()


def _finish(verdict: Verdict) -> None:
    for number, reason in verdict.skipped.items():
        typer.echo(f"skipped  {number:>2} {INVARIANTS[number]}: {reason}")
    broken = {violation.invariant for violation in verdict.violations}
    for number in INVARIANTS.keys() - verdict.skipped.keys() - broken:
        typer.echo(f"ok       {number:>2} {INVARIANTS[number]}")
    if verdict.ok:
        return
    for number in sorted(broken):
        typer.echo(f"VIOLATED {number:>2} {INVARIANTS[number]}")
    typer.echo(f"First violation: {verdict.violations[0]}", err=True)
    raise typer.Exit(_EXIT_VIOLATED)
