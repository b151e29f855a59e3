"""The command line: `run`, `token`, `status`, `clock`, `watch`, `verify`, `backup`, `restore`, `clean`.

Every failure that a person can do something about is one sentence on standard error and exit code 1.
"""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from emulators.processes.postgres import PostgresError
from sandbox.demo import DEMO_FILE
from sandbox.errors import SandboxError
from sandbox.options import DEFAULT_DATA, DEFAULT_PORT, Options
from sandbox.report import Report

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Data = Annotated[Path, typer.Option(envvar="BROKER_DATA", help="Folder that keeps everything")]
Port = Annotated[int, typer.Option(envvar="BROKER_PORT", min=0, max=65535, help="Port of the API; 0 chooses one")]


@app.command("run")
def run_command(
    data: Data = DEFAULT_DATA,
    port: Port = DEFAULT_PORT,
    groups: Annotated[str, typer.Option(help="Processes of the Functions host: default or flex")] = "default",
    demo: Annotated[Path, typer.Option(help="The people and what they own")] = DEMO_FILE,
    setting: Annotated[list[str] | None, typer.Option(help="App setting NAME=VALUE; repeatable")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Start this part and what it needs; repeatable")] = None,
    sessions: Annotated[str, typer.Option(help="When the venue trades: continuous, nse or a JSON file")] = "continuous",
    *,
    makers: Annotated[bool, typer.Option(help="Let market makers quote every instrument")] = True,
    feed: Annotated[bool, typer.Option(help="Publish market data, and let others than clients trade")] = True,
    fsync: Annotated[bool, typer.Option(help="Survive a crash of the machine too")] = True,
    story: Annotated[bool, typer.Option(help="Place one order and print its stages")] = True,
) -> None:
    """Start everything and serve until Ctrl-C."""
    from sandbox.run import run  # noqa: PLC0415 - `token` must not wait for what only `run` imports

    options = Options(
        data,
        port,
        groups,
        demo,
        settings=_pairs(setting or []),
        makers=makers,
        feed=feed,
        sessions=sessions,
        only=tuple(only or ()),
        fsync=fsync,
        story=story,
    )
    run(options, Report())


@app.command()
def token(user: Annotated[str, typer.Argument(help="Name of a demo user")], data: Data = DEFAULT_DATA) -> None:
    """Print a bearer token of a demo user and nothing else."""
    from sandbox.running import Running  # noqa: PLC0415

    sys.stdout.write(f"{Running.at(data).token(user)}\n")


@app.command()
def status(data: Data = DEFAULT_DATA) -> None:
    """Show what runs; exit code 3 when nothing does."""
    from sandbox.running import Running  # noqa: PLC0415

    running = Running.at(data)
    serving, report = running.is_serving(), Report()
    report.say(f"{running.base_url} {'is serving' if serving else 'is not serving'} from {running.folder.path}")
    for name, pid in running.pids().items() if serving else ():
        report.say(f"  {name:<12}{f'process {pid}' if pid else 'being started again'}")
    raise typer.Exit(0 if serving else 3)


@app.command()
def clock(
    time: Annotated[
        str | None, typer.Argument(help="2026-11-23T10:00+05:30, or real; omit it to show the time")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show or set the market time, which broker and venue share."""
    from sandbox.clock import market_clock, set_market_time  # noqa: PLC0415
    from sandbox.running import Running  # noqa: PLC0415

    running = Running.at(data)
    clock = market_clock(running) if time is None else set_market_time(running, _instant(time))
    for name, value in clock.items():
        sys.stdout.write(f"{name}: {value}\n")


@app.command()
def watch(
    instruments: Annotated[list[str], typer.Argument(help="Such as NSE:INFY NSE:TCS")],
    data: Data = DEFAULT_DATA,
    user: Annotated[str, typer.Option(help="Name of a demo user")] = "alice",
    answers: Annotated[int | None, typer.Option(min=1, help="Stop after so many answers of the API")] = None,
) -> None:
    """Show live prices until Ctrl-C."""
    from rich.console import Console  # noqa: PLC0415

    from sandbox.running import Running  # noqa: PLC0415
    from sandbox.watch import watch as show  # noqa: PLC0415

    with suppress(KeyboardInterrupt):
        show(Running.at(data), instruments, user, Console(), answers=answers)


@app.command()
def verify(
    data: Data = DEFAULT_DATA,
    journal: Annotated[Path | None, typer.Option(help="JSON lines of the 202s that a client got")] = None,
    *,
    at_rest: Annotated[
        bool, typer.Option(help="Nothing is in flight: queues and unsent effects must be empty")
    ] = False,
) -> None:
    """Check every invariant and name the first violation (exit code 2)."""
    from sandbox.verify import main as check  # noqa: PLC0415

    check(data, at_rest=at_rest, journal=journal)


@app.command()
def backup(
    target: Annotated[Path | None, typer.Argument(help="File to write")] = None, data: Data = DEFAULT_DATA
) -> None:
    """Write the data folder into one file, while it runs or not."""
    from sandbox.backup import back_up  # noqa: PLC0415

    back_up(data, target or Path(f"backup-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz"), Report())


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="File written by backup")],
    data: Data = DEFAULT_DATA,
    *,
    force: Annotated[bool, typer.Option(help="Replace what the folder holds")] = False,
) -> None:
    """Fill the data folder from a backup."""
    from sandbox.restore import restore as put_back  # noqa: PLC0415

    put_back(source, data, Report(), force=force)


@app.command()
def clean(data: Data = DEFAULT_DATA, *, yes: Annotated[bool, typer.Option(help="Do not ask")] = False) -> None:
    """Delete the data folder; asks for confirmation on a terminal."""
    from sandbox.clean import clean as delete  # noqa: PLC0415

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete {data.resolve()} with all its orders and money?", abort=True)
    delete(data, Report())


def main() -> None:
    """Run the command line; problems become one sentence."""
    try:
        app()
    except (SandboxError, PostgresError) as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: {error.filename or 'The system'}: {error.strerror or error}: check the folder and try again.")


def _pairs(settings: list[str]) -> dict[str, str]:
    """NAME=VALUE texts as a mapping."""
    for text in settings:
        if "=" not in text:
            raise SandboxError(f"--setting {text} is not of the form NAME=VALUE.")
    return {name: value for name, _, value in (text.partition("=") for text in settings)}


def _instant(text: str) -> datetime | None:
    """An aware time, None for `real`."""
    if text == "real":
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise SandboxError(f"{text!r} is not a time with a zone: write it like 2026-11-23T10:00+05:30.")
    return when
