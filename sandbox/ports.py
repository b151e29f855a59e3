"""TCP ports: only the broker's own is fixed, the others are chosen at first start, kept, and chosen again if taken.

They come from below the range that the kernel hands to outgoing connections, so none of those can take
one away while its server is being restarted.
"""

import errno
import random
import socket
from collections.abc import Iterable

from emulators.processes.processes import listening_on
from sandbox.errors import SandboxError
from sandbox.files import read_json, write_json
from sandbox.folder import DataFolder

NAMES = (
    "postgres",
    "valkey",
    "entra",
    "messaging",
    "messaging_admin",
    "exchange_admin",
    "feed_admin",
    "signalr",
    "cosmos",
)
_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """True when a server could listen on the port of 127.0.0.1 now."""
    return _bind_error(port) is None


def free_port(excluded: Iterable[int] = ()) -> int:
    """A free port outside the ephemeral range."""
    taken = set(excluded)
    while True:
        port = random.choice(_RANGE)  # noqa: S311 - not a secret
        if port not in taken and is_free(port):
            return port


def require_free(port: int) -> None:
    """Raise SandboxError naming who has the broker's port."""
    code = _bind_error(port)
    if code is None:
        return
    if code == errno.EADDRINUSE:
        owner = listening_on(port) or "another program"
        raise SandboxError(f"Port {port} is taken by {owner}: stop it, or choose another port with BROKER_PORT.")
    raise SandboxError(
        f"Port {port} cannot be used ({errno.errorcode.get(code, code)}): choose another one with BROKER_PORT."
    )


def keep_ports(folder: DataFolder) -> dict[str, int]:
    """The folder's ports by name; those that are unknown or taken are chosen anew and written down."""
    try:
        kept = read_json(folder.ports_file, "it is made again")
    except SandboxError:
        kept = {}  # nothing in it is worth more than a new choice
    ports: dict[str, int] = {}
    for name in NAMES:
        port = kept.get(name)
        usable = isinstance(port, int) and port in _RANGE and port not in ports.values() and is_free(port)
        ports[name] = port if isinstance(port, int) and usable else free_port(ports.values())
    if ports != kept:
        write_json(folder.ports_file, ports)
    return ports


def _bind_error(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno
    return None
