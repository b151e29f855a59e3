"""Command line of the market feed: `python -m simulators.market_feed --help`."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from simulators import market_feed
from simulators.logs import log_to_stderr
from simulators.loopback import AdminPortError
from simulators.market_feed import admin, faults
from simulators.market_feed.live import LiveFeed
from simulators.market_feed.publisher import Publisher
from simulators.market_feed.server import Settings, serve
from simulators.market_feed.shards import ShardFileError, read_shards
from simulators.market_feed.source import Source


def _help() -> str:
    """The docstrings of package, admin API and faults; click's \\b keeps the lines of indented paragraphs."""
    text = "\n\n".join(filter(None, (market_feed.__doc__, admin.__doc__, faults.__doc__)))
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"\b\n{paragraph}" if paragraph.startswith(" ") else paragraph for paragraph in paragraphs)


_cli = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False)

EventHubsOption = Annotated[
    str, typer.Option("--event-hubs", help="Event Hubs connection string", envvar="FEED_EVENT_HUBS")
]
ShardsOption = Annotated[Path, typer.Option(help="CSV file: which instruments are watched together")]
AdminPortOption = Annotated[int, typer.Option(help="port of the admin API on 127.0.0.1; 0: a free one")]


@_cli.callback(help=_help())
def _commands() -> None:
    """The commands."""


@_cli.command()
def live(
    exchange: Annotated[str, typer.Option(help="address of the exchange's admin API")],
    event_hubs: EventHubsOption,
    shards: ShardsOption,
    admin_port: AdminPortOption = 0,
) -> None:
    """Publish what the exchange does, until SIGTERM or SIGINT."""
    _run(event_hubs, shards, admin_port, lambda publisher: LiveFeed(exchange, publisher))


def _run(event_hubs: str, shards: Path, admin_port: int, source_of: Callable[[Publisher], Source]) -> None:
    log_to_stderr()
    try:
        settings = Settings(event_hubs, read_shards(shards), admin_port)
        asyncio.run(serve(settings, source_of, _announce))
    except (ShardFileError, AdminPortError) as error:
        _fail(str(error))


def _announce(admin_port: int) -> None:
    typer.echo(f"market feed ready: admin http://127.0.0.1:{admin_port}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"market feed: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    _cli()
