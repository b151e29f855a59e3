"""The load client, a process of its own: `python -m bench.client` reads a plan from stdin, answers JSON.

Closed loop: every connection sends its next order when the last one was answered. Open loop: orders are due at
fixed times whatever the server does, and the latency counts from the time an order was due, so a stall is paid by
all the orders that were due in it. Connections stay open; an Idempotency-Key on every order. A plan may send lists of
orders instead; then each is a request, and rate and latency are those of requests.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import PIPE, run
from typing import Any
from urllib.parse import urlsplit

import orjson
import uvloop

from bench.report import percentile

_ACCEPTED, _LISTED, _UNAVAILABLE = 202, 207, 503
_TIMEOUT_S = 60.0
_RECONNECT_S = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` None is a closed loop; `prices` are (instrument, buy price, sell price); buys and sells alternate."""

    url: str
    tokens_file: str
    run_id: str
    seconds: float
    connections: int = 200
    rate: float | None = None
    prices: Sequence[tuple[str, str, str]] = ()
    journal: str | None = None
    list_of: int | None = None
    """Orders a request; None sends single orders."""
    reconnects: bool = False
    """Whether a connection that broke is made again, until the plan ends; without, it is lost."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a plan: latencies in milliseconds, counted from the intended send time in an open loop."""

    sent: int
    accepted: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    cpu_s: float
    statuses: dict[str, int] = field(default_factory=dict)
    refused_p99_ms: float = 0.0
    """Of the answers with 503, from sending to answer."""
    without_retry_after: int = 0
    """Answers with 503 that lack Retry-After."""

    @property
    def per_second(self) -> float:
        """Accepted orders a second."""
        return self.accepted / self.elapsed_s


def drive(plan: Plan) -> Load:
    """Run the plan in a process of its own."""
    finished = run([sys.executable, "-m", "bench.client"], input=orjson.dumps(asdict(plan)), stdout=PIPE, check=True)
    return Load(**orjson.loads(finished.stdout))


class _Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._needed = 0
        self.told_when_to_retry = False
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((0, b""))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._needed = end + 4 + _content_length(self._buffer[:end])
            self.told_when_to_retry = b"\r\nretry-after:" in self._buffer[:end].lower()
        if len(self._buffer) >= self._needed and self._answer is not None:
            status, body = int(self._buffer[9:12]), self._buffer[self._buffer.find(b"\r\n\r\n") + 4 : self._needed]
            self._buffer, self._needed = self._buffer[self._needed :], 0
            self._answer.set_result((status, body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; status 0 when the connection broke."""
        if self._transport.is_closing():
            return 0, b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def _content_length(head: bytes) -> int:
    start = head.lower().find(b"content-length:")
    return int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0


class _Client:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._users: list[tuple[str, str]] = orjson.loads(Path(plan.tokens_file).read_bytes())
        address = urlsplit(plan.url)
        self._host, self._port, self._path = address.hostname or "", address.port or 80, address.path
        self._heads = [self._head(token) for _, token in self._users]
        self._places: Iterator[int] = iter(range(sys.maxsize))
        self._statuses: Counter[int] = Counter()
        self._latencies: list[float] = []
        self._refusals: list[float] = []
        self._without_retry_after = 0
        self._accepted: list[tuple[str, str, bytes]] = []
        self._accepted_count = 0
        self._from = 0.0

    async def run(self) -> Load:
        plan, loop = self._plan, asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(_Connection, self._host, self._port))[1] for _ in range(plan.connections)
        ]
        self._from = time.perf_counter()
        async with asyncio.timeout(plan.seconds + _TIMEOUT_S):
            await asyncio.gather(*(self._use(connection) for connection in connections))
        elapsed_s = time.perf_counter() - self._from
        self._write_journal()
        times = os.times()
        return Load(
            sent=len(self._latencies) * (plan.list_of or 1),
            accepted=self._accepted_count,
            elapsed_s=elapsed_s,
            p50_ms=round(percentile(self._latencies, 0.5) * 1000, 2),
            p99_ms=round(percentile(self._latencies, 0.99) * 1000, 2),
            worst_ms=round(max(self._latencies, default=0.0) * 1000, 2),
            cpu_s=times.user + times.system,
            statuses={str(status): count for status, count in self._statuses.items()},
            refused_p99_ms=round(percentile(self._refusals, 0.99) * 1000, 2),
            without_retry_after=self._without_retry_after,
        )

    async def _use(self, connection: _Connection) -> None:
        end = self._from + self._plan.seconds
        for place in self._places:
            due = await self._due(place)
            if due >= end:
                return
            user, key = place % len(self._users), f"{self._plan.run_id}-{place}"
            sent = time.perf_counter()
            status, body = await connection.ask(self._request(place, user, key))
            answered = time.perf_counter()
            self._latencies.append(answered - due)
            self._statuses[status] += 1
            if status in (_ACCEPTED, _LISTED):
                self._accepted_count += 1 if status == _ACCEPTED else body.count(b'{"status":202,')
                self._accepted.append((self._users[user][0], key, body))
            elif status == _UNAVAILABLE:
                self._refusals.append(answered - sent)
                self._without_retry_after += not connection.told_when_to_retry
            elif status == 0:
                found = await self._connected_again(end) if self._plan.reconnects else None
                if found is None:
                    return
                connection = found

    async def _connected_again(self, end: float) -> _Connection | None:
        """A new connection, None when the plan has ended."""
        while time.perf_counter() < end:
            try:
                return (await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port))[1]
            except OSError:
                await asyncio.sleep(_RECONNECT_S)
        return None

    async def _due(self, place: int) -> float:
        """When the order is to be sent; returns at that time, or at once when it is late already."""
        now = time.perf_counter()
        if self._plan.rate is None:
            return now
        due = self._from + place / self._plan.rate
        if due > now and due < self._from + self._plan.seconds:
            await asyncio.sleep(due - now)
        return due

    def _head(self, token: str) -> bytes:
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nIdempotency-Key: "
        )
        return head.encode()

    def _request(self, place: int, user: int, key: str) -> bytes:
        if self._plan.list_of is None:
            body = self._order(place, key)
        else:
            orders = (self._order(place, f"{key}.{number}") for number in range(self._plan.list_of))
            body = f'{{"orders":[{",".join(orders)}]}}'
        return self._heads[user] + f"{key}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def _order(self, place: int, name: str) -> str:
        prices = self._plan.prices
        instrument, buy_price, sell_price = prices[place // 2 % len(prices)]
        side, price = ("BUY", buy_price) if place % 2 else ("SELL", sell_price)
        return (
            f'{{"instrument_id":"{instrument}","side":"{side}","order_type":"LIMIT","product":"CNC",'
            f'"quantity":1,"price":"{price}","client_order_id":"{name}"}}'
        )

    def _write_journal(self) -> None:
        if self._plan.journal is None:
            return
        with Path(self._plan.journal).open("ab") as journal:
            for user_id, key, body in self._accepted:
                entries = _registered(key, orjson.loads(body))
                journal.writelines(orjson.dumps(entry | {"user_id": user_id}) + b"\n" for entry in entries)


def _registered(key: str, answer: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Ids of each accepted order; in a list the idempotency keys are derived from the call's."""
    if "items" not in answer:
        yield {"order_id": answer["order_id"], "client_order_id": key, "idempotency_key": key}
    for place, item in enumerate(answer.get("items", ())):
        if item["status"] == _ACCEPTED:
            names = {"client_order_id": f"{key}.{place}", "idempotency_key": f"{key}\n{place}"}
            yield {"order_id": item["body"]["order_id"]} | names


def main() -> None:
    """Read a plan from standard input, write what came of it to standard output."""
    plan = Plan(**orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(_Client(plan).run()))))


if __name__ == "__main__":
    main()
