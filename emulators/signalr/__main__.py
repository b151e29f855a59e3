"""`python -m emulators.signalr --port N --access-key KEY`: serve until SIGTERM."""

import asyncio
import logging
import socket
from typing import Annotated

import typer
import uvloop

from emulators.processes.open_files import allow_open_files
from emulators.processes.output import lose_lines_instead_of_failing
from emulators.processes.serving import log_to_stderr, stop_signals
from emulators.signalr.app import create_app
from emulators.signalr.hubs import Registry
from emulators.signalr.limits import Limits
from emulators.signalr.serving import SignalRServer
from emulators.signalr.tokens import AccessKeys

_DEFAULT = Limits()


def main(
    access_key: Annotated[
        list[str], typer.Option(envvar="SIGNALR_ACCESS_KEY", help="Key that signs tokens; given twice, either may.")
    ],
    port: Annotated[int, typer.Option(help="0 takes a free port.")] = 8888,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    public_url: Annotated[str | None, typer.Option(help="Address clients use, when it is another one.")] = None,
    cors_origin: Annotated[list[str] | None, typer.Option(help="Allowed origin of web pages [default: *].")] = None,
    max_connections: Annotated[int, typer.Option(min=1)] = _DEFAULT.max_connections,
    max_message_bytes: Annotated[int, typer.Option(min=1024)] = _DEFAULT.max_message_bytes,
    max_queued_bytes: Annotated[
        int, typer.Option(min=1024, help="What may wait for one slow client before it is cut off.")
    ] = _DEFAULT.max_queued_bytes,
    keep_alive_seconds: Annotated[float, typer.Option(min=0.1)] = _DEFAULT.keep_alive_s,
    client_timeout_seconds: Annotated[float, typer.Option(min=0.1)] = _DEFAULT.client_timeout_s,
    handshake_timeout_seconds: Annotated[float, typer.Option(min=0.1)] = _DEFAULT.handshake_timeout_s,
) -> None:
    """Azure SignalR Service in serverless mode on this machine."""
    lose_lines_instead_of_failing()
    # uvicorn warns of every malformed request, of which a hostile client can send many.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    log_to_stderr()
    allow_open_files(2 * max_connections + 1024)
    limits = Limits(
        max_connections,
        max_message_bytes,
        max_queued_bytes,
        keep_alive_seconds,
        client_timeout_seconds,
        handshake_timeout_seconds,
    )
    try:
        keys = AccessKeys(access_key)
        listener = _bind(host, port)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"Cannot serve on {host}:{port}: {error.strerror}. Choose another --port.", err=True)
        raise typer.Exit(1) from error
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener, host, public_url, cors_origin or ["*"], keys, limits))


async def _serve(
    listener: socket.socket,
    host: str,
    public_url: str | None,
    cors_origins: list[str],
    keys: AccessKeys,
    limits: Limits,
) -> None:
    stop = stop_signals()
    url = public_url or f"http://{host}:{listener.getsockname()[1]}"
    registry = Registry(limits)
    server = SignalRServer(create_app(registry, keys, url, cors_origins), registry, listener)
    # Clients may connect from now on: the socket listens, and the loop serves it in a moment.
    typer.echo(f"SignalR emulator ready on {url}")
    await server.run_until(stop)


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port), backlog=2048)
    listener.setblocking(False)
    return listener


def run() -> None:
    """The command `emulators-signalr`."""
    typer.run(main)


if __name__ == "__main__":
    run()
