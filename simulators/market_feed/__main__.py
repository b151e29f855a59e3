"""Command line of the market feed: `python -m simulators.market_feed --help`."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from starlette.routing import Route

from simulators import market_feed
from simulators.exchange.instruments import InstrumentFileError, read_instruments
from simulators.logs import log_to_stderr
from simulators.loopback import AdminPortError
from simulators.market_feed import admin, faults, trades
from simulators.market_feed.frames import Update
from simulators.market_feed.generator import Generator, trading_day
from simulators.market_feed.generator import burst as make_burst
from simulators.market_feed.live import LiveFeed
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.replay import Recorder, RecordingError, Replay, read_recording
from simulators.market_feed.server import Settings, serve
from simulators.market_feed.shards import ShardFileError, read_shards
from simulators.market_feed.source import Source
from simulators.market_feed.trades import Trades


def _help() -> str:
    """The docstrings of the parts; click's \\b keeps the lines of indented paragraphs."""
    text = "\n\n".join(filter(None, (market_feed.__doc__, admin.__doc__, faults.__doc__, trades.__doc__)))
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"\b\n{paragraph}" if paragraph.startswith(" ") else paragraph for paragraph in paragraphs)


_cli = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False)

EventHubsOption = Annotated[
    str, typer.Option("--event-hubs", help="Event Hubs connection string", envvar="FEED_EVENT_HUBS")
]
ShardsOption = Annotated[Path, typer.Option(help="CSV file: which instruments are watched together")]
InstrumentsOption = Annotated[Path, typer.Option(help="CSV file of instruments")]
AdminPortOption = Annotated[int, typer.Option(help="port of the admin API on 127.0.0.1; 0: a free one")]
RecordOption = Annotated[Path | None, typer.Option(help="append what is published to this file, for `replay`")]
SpeedOption = Annotated[float, typer.Option(min=0.001, help="times as fast as the clock")]
EpochOption = Annotated[int, typer.Option(min=1, help="first epoch; greater than the newest one that readers know")]
SeedOption = Annotated[int, typer.Option(help="equal seeds make equal days")]
StayOption = Annotated[bool, typer.Option("--stay", help="go on after the end, with heartbeats and resends")]


@_cli.callback(help=_help())
def _commands() -> None:
    """The commands."""


@_cli.command()
def live(
    exchange: Annotated[str, typer.Option(help="address of the exchange's admin API")],
    event_hubs: EventHubsOption,
    shards: ShardsOption,
    admin_port: AdminPortOption = 0,
    record: RecordOption = None,
) -> None:
    """Publish what the exchange does, until SIGTERM or SIGINT."""
    recorder = _recorder(record)
    _run(event_hubs, shards, admin_port, lambda publisher: LiveFeed(exchange, publisher, recorder))


@_cli.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="file that `--record` has written")],
    event_hubs: EventHubsOption,
    shards: ShardsOption,
    admin_port: AdminPortOption = 0,
    speed: SpeedOption = 1.0,
    epoch: EpochOption = 1,
    *,
    stay: StayOption = False,
) -> None:
    """Publish a recorded day again, at any speed."""
    _replay(read_recording(recording), event_hubs, shards, admin_port, speed=speed, first_epoch=epoch, stay=stay)


@_cli.command()
def generate(
    instruments: InstrumentsOption,
    event_hubs: EventHubsOption,
    shards: ShardsOption,
    admin_port: AdminPortOption = 0,
    day: Annotated[str, typer.Option(help="trade date, YYYY-MM-DD")] = "2026-11-23",
    ticks_per_s: Annotated[float, typer.Option(min=0.01, help="events a second of the day")] = 20.0,
    seed: SeedOption = 0,
    speed: SpeedOption = 1.0,
    epoch: EpochOption = 1,
    record: RecordOption = None,
    *,
    stay: StayOption = False,
) -> None:
    """Publish a made-up day of NSE, from pre-open to close, at any speed."""
    try:
        plan = trading_day(date.fromisoformat(day), ticks_per_s, seed)
        listed = read_instruments(instruments).listed(plan.day)
    except (ValueError, InstrumentFileError) as error:
        _fail(str(error))
    updates = _recorded(Generator(listed, plan).updates(), _recorder(record))
    _replay(updates, event_hubs, shards, admin_port, speed=speed, first_epoch=epoch, stay=stay)


@_cli.command()
def burst(
    instruments: InstrumentsOption,
    event_hubs: EventHubsOption,
    shards: ShardsOption,
    admin_port: AdminPortOption = 0,
    ticks_per_s: Annotated[float, typer.Option(min=1, help="events a second")] = 20_000.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="how long")] = 10.0,
    seed: SeedOption = 0,
    epoch: EpochOption = 1,
    *,
    stay: StayOption = False,
) -> None:
    """Publish made-up trading of this moment, as fast as asked."""
    plan = make_burst(time.time_ns() // 1000, seconds, ticks_per_s, seed)
    try:
        listed = read_instruments(instruments).listed(plan.day)
    except InstrumentFileError as error:
        _fail(str(error))
    updates = Generator(listed, plan).updates()
    _replay(updates, event_hubs, shards, admin_port, speed=1.0, first_epoch=epoch, stay=stay)


def _replay(
    updates: Iterator[Update],
    event_hubs: str,
    shards: Path,
    admin_port: int,
    *,
    speed: float,
    first_epoch: int,
    stay: bool,
) -> None:
    kept = Trades()

    def source(publisher: Publisher) -> Source:
        return Replay(updates, publisher, kept, speed=speed, first_epoch=first_epoch, stay=stay)

    _run(event_hubs, shards, admin_port, source, kept.routes())


def _recorder(path: Path | None) -> Recorder | None:
    try:
        return None if path is None else Recorder(path)
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}")


def _recorded(updates: Iterator[Update], recorder: Recorder | None) -> Iterator[Update]:
    for update in updates:
        if recorder is not None:
            recorder.take(update)
        yield update


def _run(
    event_hubs: str,
    shards: Path,
    admin_port: int,
    source_of: Callable[[Publisher], Source],
    routes: Sequence[Route] = (),
) -> None:
    log_to_stderr()
    try:
        settings = Settings(event_hubs, read_shards(shards), admin_port)
        asyncio.run(serve(settings, source_of, _announce, routes))
    except (ShardFileError, AdminPortError, RecordingError) as error:
        _fail(str(error))


def _announce(admin_port: int) -> None:
    typer.echo(f"market feed ready: admin http://127.0.0.1:{admin_port}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"market feed: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    _cli()
