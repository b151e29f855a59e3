"""Standard output and error that never fail: a disk without room costs lines, not work.

A process that prints its log into a file would otherwise raise wherever it logs: in a request, after a commit, in
the task that restarts others. `print` in an app never raises in Azure either, where the host collects the lines.

`python -m emulators.processes.output MODULE ARGUMENTS...` runs a module that knows nothing of this.
"""

import io
import json
import os
import runpy
import sys
from datetime import UTC, datetime
from typing import Any, TextIO


def lose_lines_instead_of_failing() -> None:
    """Replace sys.stdout and sys.stderr; call it first, because loggers keep the stream that they find."""
    sys.stdout = _tolerant(sys.stdout)
    sys.stderr = _tolerant(sys.stderr)


def _tolerant(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # replaced by somebody already, or closed
    stream.flush()
    raw = _LossyOutput(stream.fileno())
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),  # type: ignore[type-var] # takes raw streams too
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _LossyOutput(io.RawIOBase):
    """Writes to a file descriptor; what cannot be written is counted, and the count is written once something can."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lost = 0
        self._reason = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        """All of it, or what there is room for; the rest is lost. Never raises for the file's sake."""
        content = bytes(data)
        if self._lost and self._written(self._note()) == 0:
            self._lost = 0
        self._lost += self._written(content)
        return len(content)

    def _written(self, content: bytes) -> int:
        """How many bytes could not be written."""
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._reason = error.strerror or str(error)
        return len(rest)

    def _note(self) -> bytes:
        """A line of its own, also behind half a line."""
        fields = {"event": f"{self._lost} bytes of output were lost: {self._reason}", "level": "warning"}
        return b"\n" + json.dumps(fields | {"timestamp": datetime.now(UTC).isoformat()}).encode() + b"\n"


if __name__ == "__main__":
    lose_lines_instead_of_failing()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
