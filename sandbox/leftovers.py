"""Processes of a data folder whose supervisor was killed; found by a mark in their environment."""

import signal

from emulators.processes.processes import gone, marked_with, send
from sandbox.errors import SandboxError
from sandbox.folder import DataFolder

MARK = "BROKER_SANDBOX_DATA"
_PATIENCE_S = 10.0


def end_leftovers(folder: DataFolder) -> int:
    """End them at once, which every part survives; the caller owns the folder. Returns how many there were.

    PostgreSQL is left to `PostgresServer.end_previous`, because its workers must end with their postmaster.
    """
    left = [process for process in marked_with(MARK, str(folder.path)) if process.name() != "postgres"]
    for process in left:
        send(process, signal.SIGKILL)
    if not gone(left, _PATIENCE_S):
        raise SandboxError(f"Processes of an earlier sandbox on {folder.path} do not end: restart the machine.")
    return len(left)
