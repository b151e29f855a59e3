"""Live prices in the terminal, by `GET /api/marketdata/stream` as any client reads it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sandbox.clock import market_clock
from sandbox.errors import RefusedError, SandboxError
from sandbox.running import Running
from sandbox.story import Caller, Json
from sandbox.ticker import Ticker

SHOWN_AT_START = ("NSE:INFY", "NSE:TCS", "NSE:RELIANCE", "NSE:HDFCBANK", "NSE:SBIN")

_WAIT_S = 10
# A thousand calls a minute are allowed, and nobody reads faster than this.
_SHORTEST_ROUND_S = 0.2
_RETRY_S = 1.0
_PATIENCE_S = 30.0
_FINAL = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


class _Stream:
    """The ticker's calls, one after the other, each with the cursor of the answer before."""

    def __init__(self, running: Running, user: str, instruments: Sequence[str]) -> None:
        self._running = running
        self._user = user
        self._path = f"/marketdata/stream?mode=full&wait_s={_WAIT_S}&instruments={','.join(instruments)}"
        self._caller: Caller | None = None
        self._cursor: str | None = None

    @property
    def began(self) -> bool:
        """Whether there was an answer, so that the next has what is new."""
        return self._cursor is not None

    def next(self) -> list[Json]:
        """The next quotes; none when nothing happened. Raises SandboxError."""
        if self._caller is None:
            self._caller = Caller(self._running.base_url, self._running.token(self._user))
        path = self._path if self._cursor is None else f"{self._path}&cursor={quote(self._cursor)}"
        try:
            answer = self._caller.call("GET", path)
        except SandboxError:
            self._caller = None  # the token may have expired
            raise
        self._cursor = answer["cursor"]
        ticks: list[Json] = answer["ticks"]
        return ticks


def watch(
    running: Running, instruments: Sequence[str], user: str, console: Console, *, answers: int | None = None
) -> None:
    """Show the instruments until Ctrl-C, or until so many answers have come. Raises SandboxError."""
    names = list(dict.fromkeys(instruments))
    offset = timedelta(seconds=market_clock(running)["offset_s"])
    stream, ticker, taken = _Stream(running, user, names), Ticker(names), 0
    deadline = time.monotonic() + _PATIENCE_S
    with Live(ticker.table(), console=console, auto_refresh=False) as live:
        while answers is None or taken < answers:
            began_s, live_ticks = time.monotonic(), stream.began
            try:
                quotes = stream.next()
            except SandboxError as error:
                _raise_if_final(error, deadline)
                time.sleep(_RETRY_S)
                continue
            taken, deadline = taken + 1, time.monotonic() + _PATIENCE_S
            ticker.take(quotes, datetime.now(UTC) + offset if live_ticks else None)
            live.update(ticker.table(), refresh=True)
            time.sleep(max(0.0, _SHORTEST_ROUND_S - (time.monotonic() - began_s)))


def first_prices(running: Running, patience_s: float = 8.0) -> Table | None:
    """Some quotes, once each has a price or the time is over; None when there are none by then. Raises SandboxError."""
    ticker, deadline = Ticker(SHOWN_AT_START), time.monotonic() + patience_s
    caller = Caller(running.base_url, running.token("alice"))
    path = f"/marketdata/quotes?mode=full&instruments={','.join(SHOWN_AT_START)}"
    while not ticker.complete and time.monotonic() < deadline:
        time.sleep(_SHORTEST_ROUND_S)
        try:
            ticker.take(caller.call("GET", path)["items"])
        except RefusedError as error:
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
    return ticker.table() if ticker.begun else None


def _raise_if_final(error: SandboxError, deadline_s: float) -> None:
    refused = isinstance(error, RefusedError) and error.status in _FINAL
    if refused or time.monotonic() > deadline_s:
        raise error
