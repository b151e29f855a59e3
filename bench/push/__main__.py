"""`python -m bench.push`: quotes to 1,000 clients, against plain `websockets` servers, and how long an update takes.

Goal P11. Ours: list frames through the shipped adapter, the service's REST API and its groups, as the emulator serves
them. The references: a `websockets` server that broadcasts one quote a frame (naive), and one that broadcasts the same
frames of 20 quotes. The same clients count bytes on all sides. Then the delays: of a tick, from when the feed was to
send it (a plan that does not wait) to a client that shows its instrument, and in a whole broker from the execution at
the exchange to the user's client.
"""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import aiohttp
import orjson
import psutil  # type: ignore[import-untyped]
import typer

from bench.push import clients, reference, ticks, updates
from bench.push.clients import Connect, Expect
from bench.push.reference import Broadcast
from bench.report import Effort, Quick, Rounds, Seconds, middle, percentile, ratio, result, say
from emulators.processes.postgres import free_port
from emulators.signalr.protocol import JSON, Invocation
from sandbox.child import ending_with_us
from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.signalr.service import ServiceAddress, SignalRService
from shared.contracts.pushed_quotes import list_frames
from shared.domain.market_data.quotes import Quote, SessionPhase
from shared.domain.push import Hub

_CLIENTS = 1_000
_KEY = "a key of the benchmark that is long enough for HMAC"
_GROUPS = tuple(f"s{number:03d}" for number in range(8))
"""Ingest sends the shards of a batch at the same time."""
_INSTRUMENTS = 20
_FIRST = 20
_SPAWN = multiprocessing.get_context("spawn")


def main(rounds: Rounds = 5, seconds: Seconds = 5.0, *, quick: Quick = False) -> None:
    """Measure in turns, print one JSON line."""
    effort = Effort.of(rounds, seconds, quick=quick)
    with TemporaryDirectory(prefix="bench-push-") as folder:
        figures = asyncio.run(_fan_out(effort)) | asyncio.run(_ticks(Path(folder), 2 * effort.seconds))
        figures |= _shown("execution_to_client", updates.measure(Path(folder), 4 * effort.seconds))
    result("push", {"rounds": effort.rounds, "clients": _CLIENTS, **figures})


def _a_quote(number: int) -> Quote:
    at, none = 1_795_000_000_000_000, 1
    figures: dict[str, Any] = {
        "instrument_id": f"NSE:SYMBOL{number:02d}",
        "epoch": 1,
        "sequence": 4711,
        "trade_date": date(2026, 11, 23),
        "phase": SessionPhase.CONTINUOUS,
        "last_price": 150_005 + number,
        "volume": 182_340,
        "bids": (),
        "asks": (),
    }
    others = dict.fromkeys(set(Quote.__struct_fields__) - figures.keys(), none)
    return Quote(**figures | others | {"exchange_time": at})


(_FRAME,) = list_frames("s000", map(_a_quote, range(_INSTRUMENTS)))
_QUOTE_TEXTS = [orjson.dumps(quote).decode() for quote in orjson.loads(_FRAME)["quotes"]]


async def _ticks(folder: Path, seconds: float) -> dict[str, Any]:
    with _emulator() as (url, _):
        service = SignalRService(_address(url))
        waits = await ticks.measure(service, folder, seconds)
        await service.close()
    return {"ticks_per_s": ticks.TICKS_PER_S} | _shown("tick_to_client", waits)


def _shown(name: str, waits_ms: list[float]) -> dict[str, Any]:
    shares = {"p50": 0.5, "p99": 0.99}
    say(f"{name}: {len(waits_ms)} samples")
    return {f"{name}_{each}_ms": round(percentile(waits_ms, share), 1) for each, share in shares.items()}


def _address(url: str) -> ServiceAddress:
    address = ServiceAddress.parsed(f"Endpoint={url};AccessKey={_KEY};Version=1.0;", None, ManagedIdentity())
    assert address is not None
    return address


@dataclass
class Side:
    """One way of reaching the clients: sends so many messages, each of `size` bytes at a client with `quotes` in it."""

    name: str
    quotes: int
    size: int
    clients: Connection
    send: Callable[[int], Awaitable[None]]
    processes: tuple[int, ...]
    """Those that serve: their CPU time is counted."""
    messages: int = _FIRST
    per_s: list[float] = field(default_factory=list)
    per_cpu_s: list[float] = field(default_factory=list)

    async def measure(self, seconds: float) -> None:
        """Quotes that all clients together got in a second, and a second of CPU; sizes the next one to `seconds`."""
        cpu_s = self._cpu_s()
        self.clients.send(Expect(self.messages * self.size))
        self.clients.recv()
        started = time.monotonic()
        await self.send(self.messages)
        spent_s: float = await asyncio.to_thread(self.clients.recv) - started
        quotes = self.messages * self.quotes * _CLIENTS
        self.per_s.append(quotes / spent_s)
        self.per_cpu_s.append(quotes / (self._cpu_s() - cpu_s))
        self.messages = max(_FIRST, round(self.messages * seconds / spent_s))

    def _cpu_s(self) -> float:
        times = [psutil.Process(pid).cpu_times() for pid in self.processes]
        return float(sum(each.user + each.system for each in times))


async def _fan_out(effort: Effort) -> dict[str, Any]:
    with _emulator() as (url, process), _clients() as ours_pipe, _clients() as naive_pipe, _clients() as plain_pipe:
        address = _address(url)
        service = SignalRService(address)
        before = psutil.Process(process.pid).memory_info().rss
        await _join(address, ours_pipe)
        idle_kb = (psutil.Process(process.pid).memory_info().rss - before) / _CLIENTS / 1024
        with _reference(naive_pipe) as naive_server, _reference(plain_pipe) as plain_server:
            ours = Side("ours", _INSTRUMENTS, _size_of_ours(), ours_pipe, _sender(service), (process.pid, os.getpid()))
            naive, plain = (
                Side(name, quotes, _framed(len(texts[0])), pipe, _broadcaster(server.pipe, texts), (server.pid,))
                for name, quotes, texts, pipe, server in (
                    ("naive", 1, _QUOTE_TEXTS, naive_pipe, naive_server),
                    ("plain", _INSTRUMENTS, [_FRAME.decode()], plain_pipe, plain_server),
                )
            )
            await _rounds((ours, naive, plain), effort)
        await service.close()
    return {
        "quotes_per_s": middle(ours.per_s, 0),
        "frames_per_s": round(middle(ours.per_s, 0) / _INSTRUMENTS),
        "naive_quotes_per_s": middle(naive.per_s, 0),
        "plain_quotes_per_s": middle(plain.per_s, 0),
        "ratio_naive": ratio(ours.per_s, naive.per_s),
        "ratio_plain": ratio(ours.per_s, plain.per_s),
        "cpu_ratio_naive": ratio(ours.per_cpu_s, naive.per_cpu_s),
        "cpu_ratio_plain": ratio(ours.per_cpu_s, plain.per_cpu_s),
        "idle_kb_a_client": round(idle_kb, 1),
    }


async def _rounds(sides: tuple[Side, ...], effort: Effort) -> None:
    for side in sides:
        await side.measure(effort.seconds)  # only sizes the others
        side.per_s.clear()
        side.per_cpu_s.clear()
    for number in range(effort.rounds):
        for side in sides:
            await side.measure(effort.seconds)
        rates = (f"{side.name} {side.per_s[-1]:.0f}/s, {side.per_cpu_s[-1]:.0f} a CPU s" for side in sides)
        say(f"round {number}: " + "; ".join(rates))


async def _join(address: ServiceAddress, pipe: Connection) -> None:
    """All clients of one user, who is in the groups."""
    token = await address.credentials.client_token(Hub.MARKET, "reader", [], _nobody)
    port = int(address.endpoint.rpartition(":")[2])
    pipe.send(Connect(port, f"/client/?hub={Hub.MARKET}&access_token={token}", speaks_signalr=True))
    await asyncio.to_thread(pipe.recv)
    async with aiohttp.ClientSession() as session:
        for group in _GROUPS:
            join = f"{address.endpoint}/api/hubs/{Hub.MARKET}/users/reader/groups/{group}"
            headers = {"Authorization": f"Bearer {await address.credentials.request_token(join)}"}
            async with session.put(join, params={"api-version": "2022-06-01"}, headers=headers) as answer:
                answer.raise_for_status()


async def _nobody(method: str, path: str) -> Any:
    raise AssertionError(f"{method} {path}: a key signs by itself")


def _sender(service: SignalRService) -> Callable[[int], Awaitable[None]]:
    async def send(messages: int) -> None:
        for start in range(0, messages, len(_GROUPS)):
            groups = _GROUPS[: messages - start]
            frame = orjson.Fragment(_FRAME)
            await asyncio.gather(*(service.send_to_group(Hub.MARKET, each, "quotes", frame) for each in groups))

    return send


def _broadcaster(server: Connection, texts: list[str]) -> Callable[[int], Awaitable[None]]:
    async def send(messages: int) -> None:
        server.send(Broadcast([texts[number % len(texts)] for number in range(messages)]))

    return send


def _size_of_ours() -> int:
    return len(JSON.invocation_frame(Invocation("quotes", [orjson.loads(_FRAME)])))


def _framed(payload: int) -> int:
    """A server's WebSocket frame (RFC 6455, 5.2)."""
    return payload + (2 if payload < 126 else 4)


@contextmanager
def _emulator() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    words = ["-m", "emulators.signalr", "--port", str(port), "--access-key", _KEY, "--client-timeout-seconds", "3600"]
    process = subprocess.Popen(ending_with_us([sys.executable, *words]), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _clients() -> Iterator[Connection]:
    with _child(clients.run, _CLIENTS) as child:
        yield child.pipe


@contextmanager
def _reference(clients_pipe: Connection) -> Iterator["Child"]:
    with _child(reference.run) as child:
        clients_pipe.send(Connect(child.pipe.recv(), "/", speaks_signalr=False))
        clients_pipe.recv()
        yield child


class Child(NamedTuple):
    """A process that obeys a pipe."""

    pipe: Connection
    pid: int


@contextmanager
def _child(target: Callable[..., None], *arguments: Any) -> Iterator[Child]:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        assert process.pid is not None
        yield Child(ours, process.pid)
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    typer.run(main)
