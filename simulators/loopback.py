"""An HTTP server on 127.0.0.1 inside a process that does something else as well."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class AdminPortError(Exception):
    """The admin API cannot listen."""


def listen(port: int) -> socket.socket:
    """A listening socket; 0 takes a free port. Raises AdminPortError."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise AdminPortError(f"port {port} of the admin API is taken: choose another --admin-port") from error
    listening.listen()
    return listening


class LoopbackServer(uvicorn.Server):
    """Leaves the signals to the process, which may have something to finish first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
