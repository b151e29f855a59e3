"""Command line of the exchange simulator: `python -m simulators.exchange --help`."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from psycopg import OperationalError

from simulators import exchange
from simulators.exchange import admin, faults, feed_api
from simulators.exchange.bus import ServiceBusTransport
from simulators.exchange.gateway import Limits, Market
from simulators.exchange.instruments import InstrumentFileError, read_instruments
from simulators.exchange.makers import MarketMakers
from simulators.exchange.participants import Participants
from simulators.exchange.server import Settings, serve
from simulators.exchange.sessions import BUILT_IN, Calendar, CalendarError, Clock, read_calendar
from simulators.exchange.store import StoreBusyError, address, migrate
from simulators.logs import log_to_stderr
from simulators.loopback import AdminPortError

_cli = typer.Typer(add_completion=False, rich_markup_mode=None)


def _help() -> str:
    """The docstrings of package, HTTP APIs and faults; click's \\b keeps the lines of indented paragraphs."""
    text = "\n\n".join(filter(None, (exchange.__doc__, admin.__doc__, feed_api.__doc__, faults.__doc__)))
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"\b\n{paragraph}" if paragraph.startswith(" ") else paragraph for paragraph in paragraphs)


@_cli.command(help=_help())
def main(
    database: Annotated[str, typer.Option(help="libpq URI of the venue's own database", envvar="EXCHANGE_DATABASE")],
    service_bus: Annotated[str, typer.Option(help="Service Bus connection string", envvar="EXCHANGE_SERVICE_BUS")],
    instruments: Annotated[Path, typer.Option(help="CSV file of instruments")],
    sessions: Annotated[str, typer.Option(help="JSON file, or `continuous` or `nse`")] = "continuous",
    admin_port: Annotated[int, typer.Option(help="port of the admin API on 127.0.0.1; 0: a free one")] = 0,
    makers: Annotated[bool, typer.Option("--makers/--no-makers", help="quote every instrument")] = True,
    seed: Annotated[int, typer.Option(help="seed of the makers' walk and of the faults")] = 0,
    quote_interval_s: Annotated[float, typer.Option(min=0.01, help="seconds between the makers' steps")] = 1.0,
    trades_per_s: Annotated[
        float, typer.Option(min=0, max=1000, help="trades of participants who are no clients, while the feed is read")
    ] = 0.0,
    snapshot_entries: Annotated[int, typer.Option(min=1, help="journal entries between snapshots")] = 10_000,
    keep_days: Annotated[int, typer.Option(min=1, help="days that journal and reports are kept")] = 8,
) -> None:
    """Run the venue until SIGTERM or SIGINT."""
    log_to_stderr()
    try:
        master = read_instruments(instruments)
        calendar = _calendar(sessions)
        migrate(database)
    except (InstrumentFileError, CalendarError) as error:
        _fail(str(error))
    except OperationalError as error:
        _fail(f"PostgreSQL at {address(database)} cannot be used: {error}")
    maker = MarketMakers(master, seed, quote_interval_s) if makers else None
    participants = Participants(seed, trades_per_s) if makers and trades_per_s else None
    market = Market(master, calendar, Clock(), maker, participants)
    settings = Settings(database, market, Limits(snapshot_entries, keep_days), seed, admin_port)
    try:
        asyncio.run(_serve(settings, service_bus))
    except (StoreBusyError, AdminPortError) as error:
        _fail(str(error))


def _calendar(name: str) -> Calendar:
    return read_calendar(BUILT_IN.get(name, Path(name)))


def _fail(message: str) -> NoReturn:
    typer.echo(f"exchange: {message}", err=True)
    raise typer.Exit(1)


async def _serve(settings: Settings, service_bus: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with ServiceBusTransport(service_bus) as transport:
        await serve(settings, transport, stopping, _announce)


def _announce(admin_port: int) -> None:
    typer.echo(f"exchange ready: admin http://127.0.0.1:{admin_port}")


if __name__ == "__main__":
    _cli()
