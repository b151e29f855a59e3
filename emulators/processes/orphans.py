"""Children that this process did not start itself: adopted, waited for, shown by the command that they stand for.

Linux alone (prctl(2), proc(5)).
"""

import asyncio
import ctypes
import os
import signal
from collections.abc import Collection, Sequence
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ARG_START, _ARG_END = 47, 48


def adopt_orphans() -> None:
    """From now on, descendants whose parent ends become children of this process."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury_orphans(own: Collection[int]) -> None:
    """Take notice of ended children nobody waits for; `own` are the process ids of those somebody does wait for."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return  # the next time, those behind it
        os.waitpid(ended.si_pid, 0)


def fork_orphan() -> int | None:
    """Fork a process that becomes the child of whoever adopts orphans: its id here, None in the new process."""
    id_in, id_out = os.pipe()
    start_in, start_out = os.pipe()
    middle = os.fork()
    if middle == 0:
        pid = os.fork()
        if pid:
            os.write(id_out, b"%d" % pid)
            os._exit(0)
        for end in (id_in, id_out, start_out):
            os.close(end)
        os.read(start_in, 1)  # until the middle one has ended and this process has its new parent
        os.close(start_in)
        return None
    os.waitpid(middle, 0)
    pid = int(os.read(id_in, 20))
    os.write(start_out, b"x")
    for end in (id_in, id_out, start_in, start_out):
        os.close(end)
    return pid


class Adopted:
    """An adopted child, with the attributes of `asyncio.subprocess.Process` that its keeper uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._on_end)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the signal unless it has ended."""
        if self.returncode is None:
            signal.pidfd_send_signal(self._descriptor, number)

    async def wait(self) -> int:
        """Its exit code as `asyncio.subprocess` has it: negative for a signal."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


def show_command(words: Sequence[str]) -> None:
    """Let `ps` and /proc show this command for the running process, as far as there is room for it."""
    stat = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()
    # The fields are counted from 1, and the first two stand before the bracket.
    start, end = int(stat[_ARG_START - 2]), int(stat[_ARG_END - 2])
    text = b"\0".join(os.fsencode(word) for word in words) + b"\0"
    ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)
