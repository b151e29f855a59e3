"""Command line: `python -m emulators.cosmos --port 8081`, on its own PostgreSQL or a given database."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from emulators.cosmos.declarations import DeclarationError, read_declarations
from emulators.cosmos.server import DEFAULT_KEY, CosmosServer, ServerSettings
from emulators.cosmos.store import StoreError
from emulators.processes.open_files import allow_open_files
from emulators.processes.output import lose_lines_instead_of_failing
from emulators.processes.postgres import PostgresError, own_database
from emulators.processes.serving import log_to_stderr, stop_signals, until_stopped

_OPEN_FILES = 4096


def main(
    database: Annotated[
        str | None,
        typer.Option(
            help="libpq URI of a database for the documents alone; by default a PostgreSQL of its own is started",
            envvar="COSMOS_EMULATOR_DATABASE",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON file of databases and containers that exist from the start")
    ] = None,
    data: Annotated[Path, typer.Option(help="folder of its own PostgreSQL")] = Path(".emulators/cosmos"),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 8081,
    account_key: Annotated[
        list[str] | None,
        typer.Option(envvar="COSMOS_EMULATOR_KEY", help="key in base64 that signs requests; given twice, either may"),
    ] = None,
    ranges: Annotated[int, typer.Option(min=1, max=25, help="physical partitions that new containers show")] = 2,
) -> None:
    """Serve Azure Cosmos DB for NoSQL until SIGTERM or SIGINT."""
    lose_lines_instead_of_failing()
    log_to_stderr()
    allow_open_files(_OPEN_FILES)
    keys = tuple(account_key or (DEFAULT_KEY,))
    try:
        databases = () if config is None else tuple(read_declarations(config))
        settings = ServerSettings(host=host, port=port, keys=keys, ranges=ranges, databases=databases)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(database, data, settings))
    except (StoreError, PostgresError, DeclarationError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"Cannot serve on {host}:{port}: {error}. Choose another --port.", err=True)
        raise typer.Exit(1) from error


async def _run(database: str | None, data: Path, settings: ServerSettings) -> None:
    async with AsyncExitStack() as stack:
        if database is None:
            database = await stack.enter_async_context(own_database(data / "postgres", "cosmos"))
        await _serve(database, settings)


async def _serve(database: str, settings: ServerSettings) -> None:
    stop = stop_signals()
    async with CosmosServer.start(database, settings) as server:
        typer.echo(f"cosmos ready {server.url}")
        if server.key == DEFAULT_KEY:
            typer.echo(f"connection string: AccountEndpoint={server.url};AccountKey={server.key};")
        await until_stopped(stop, server.wait_failed())


def run() -> None:
    """The command `emulators-cosmos`."""
    typer.run(main)


if __name__ == "__main__":
    run()
