"""Command line: `python -m emulators.messaging --config Config.json`, on its own PostgreSQL or a given database."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from emulators.messaging.cbs import SharedKey
from emulators.messaging.entities import ConfigError, Entities, read_config
from emulators.messaging.server import DEFAULT_KEY, DEFAULT_KEY_NAME, MessagingServer, ServerSettings
from emulators.messaging.store import StoreError
from emulators.processes.open_files import allow_open_files
from emulators.processes.output import lose_lines_instead_of_failing
from emulators.processes.postgres import PostgresError, own_database
from emulators.processes.serving import log_to_stderr, stop_signals, until_stopped

_OPEN_FILES = 8192


def main(
    config: Annotated[
        list[Path], typer.Option(help="Config.json of the Azure Service Bus or Event Hubs emulator; may be repeated")
    ],
    database: Annotated[
        str | None,
        typer.Option(
            help="libpq URI of a database for the messages alone; by default a PostgreSQL of its own is started",
            envvar="MESSAGING_DATABASE",
        ),
    ] = None,
    data: Annotated[Path, typer.Option(help="folder of its own PostgreSQL")] = Path(".emulators/messaging"),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="AMQP port; 0 takes a free one")] = 5672,
    admin_port: Annotated[int | None, typer.Option(help="HTTP port of the administration API; none by default")] = None,
    admin_certificate: Annotated[
        Path | None, typer.Option(help="serve the administration API over HTTPS; this PEM is made when it is missing")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="serve AMQP over TLS; this PEM is made when it is missing")
    ] = None,
    sas_key_name: Annotated[str, typer.Option(envvar="MESSAGING_SAS_KEY_NAME")] = DEFAULT_KEY_NAME,
    sas_key: Annotated[str, typer.Option(envvar="MESSAGING_SAS_KEY")] = DEFAULT_KEY,
) -> None:
    """Serve Service Bus and Event Hubs over AMQP 1.0 until SIGTERM or SIGINT."""
    lose_lines_instead_of_failing()
    log_to_stderr()
    allow_open_files(_OPEN_FILES)
    try:
        entities = read_config(*config)
        settings = ServerSettings(
            host=host,
            port=port,
            admin_port=admin_port,
            admin_certificate=admin_certificate,
            certificate=certificate,
            shared_key=SharedKey(sas_key_name, sas_key),
        )
        asyncio.run(_run(database, data, entities, settings))
    except (ConfigError, StoreError, PostgresError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"Cannot serve on {host}:{port}: {error}. Choose another --port or --admin-port.", err=True)
        raise typer.Exit(1) from error


async def _run(database: str | None, data: Path, entities: Entities, settings: ServerSettings) -> None:
    async with AsyncExitStack() as stack:
        if database is None:
            database = await stack.enter_async_context(own_database(data / "postgres", "messaging"))
        await _serve(database, entities, settings)


async def _serve(database: str, entities: Entities, settings: ServerSettings) -> None:
    stop = stop_signals()
    async with MessagingServer.start(database, entities, settings=settings) as server:
        scheme = "http" if settings.admin_certificate is None else "https"
        admin = f" admin={scheme}://{settings.host}:{server.admin_port}" if server.admin_port else ""
        typer.echo(f"messaging ready amqp://{settings.host}:{server.port} {_counts(entities)}{admin}")
        if settings.shared_key.key == DEFAULT_KEY:
            typer.echo(f"connection string: {server.connection_string}")
        await until_stopped(stop, server.wait_failed())


def _counts(entities: Entities) -> str:
    return f"queues={len(entities.queues)} topics={len(entities.topics)} event_hubs={len(entities.event_hubs)}"


def run() -> None:
    """The command `emulators-messaging`."""
    typer.run(main)


if __name__ == "__main__":
    run()
