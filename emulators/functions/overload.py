"""An app works on so many requests at a time; the others stand in line, and who would stand there too long is refused.

How long a request would wait is the line's length by the pace at which requests are answered, or what the first of the
line has waited already, when that is more. So a machine that does twice as much has a line twice as long, and the work
on a request never waits behind thousands of others in the event loop. A refusal is decided when the head has been read:
before the body, before any token, before the worker. A place is taken once the body is there, so that a slow client
holds none.
"""

import asyncio
import time
from collections import deque
from typing import Any, Final

from emulators.functions.http import AsgiApp, Receive, Scope, Send

_AT_A_TIME: Final = 64
_WINDOW_S: Final = 0.1


class Admission:
    """Decides over each request; `longest_s` is the wait in line from which on requests are refused."""

    def __init__(self, longest_s: float, *, at_a_time: int = _AT_A_TIME) -> None:
        self._longest_s = longest_s
        self._free = at_a_time
        self._line: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._pace = float("inf")
        """Requests answered a second while others stood in line."""
        self._answered = 0
        self._since = 0.0

    def refuses(self) -> bool:
        """Whether a request that comes now would wait too long."""
        if not self._line:
            return False
        waited_s = time.monotonic() - self._line[0][0]
        return max(waited_s, len(self._line) / self._pace) > self._longest_s

    async def enter(self) -> None:
        """Return once there is a place; `leave` gives it back."""
        if self._free:
            self._free -= 1
            return
        now = time.monotonic()
        if not self._line:
            self._answered, self._since = 0, now
        place = (now, asyncio.get_running_loop().create_future())
        self._line.append(place)
        try:
            await place[1]
        except asyncio.CancelledError:
            if place in self._line:
                self._line.remove(place)
            elif not place[1].cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """The request was answered: the first of the line gets the place."""
        self._count()
        while self._line:
            _, first = self._line.popleft()
            if not first.done():
                first.set_result(None)
                return
        self._free += 1

    def _count(self) -> None:
        self._answered += 1
        elapsed_s = time.monotonic() - self._since
        if self._line and elapsed_s >= _WINDOW_S:
            self._pace = self._answered / elapsed_s
            self._answered, self._since = 0, time.monotonic()


def in_line(app: AsgiApp, admission: Admission) -> AsgiApp:
    """The app, which goes on with a request in its turn."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        entered = False

        async def receive_in_turn() -> Any:
            nonlocal entered
            message = await receive()
            if not entered and not message.get("more_body"):
                await admission.enter()
                entered = True
            return message

        try:
            await app(scope, receive_in_turn, send)
        finally:
            if entered:
                admission.leave()

    return serve
