"""The line between supervisor and group process: JSON objects, one a line, over a socket pair.

A group sends `indexed`, `ready` or `failed`; the supervisor answers with `start` and sends the `state`
of the host. End of file on either side means that the other one is gone.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

_LONGEST_LINE = 16 * 1024 * 1024


class Channel:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        end.setblocking(False)
        return cls(*await asyncio.open_connection(sock=end, limit=_LONGEST_LINE))

    def send(self, event: str, **fields: Any) -> None:
        """Queue one message; a gone partner is noticed by `messages` ending."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"event": event, **fields}).encode() + b"\n")

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Messages until the partner is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)

    async def flush(self) -> None:
        """Wait until everything queued has been handed to the kernel."""
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
