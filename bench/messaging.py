"""The messaging emulator against its own codec: `python -m bench.messaging [--quick]`.

A lean client with encoded frames at hand, so that the server is what is measured:

- queue: sends (batches of 50 and single messages) until they are acknowledged, then receive-and-delete;
- hub: sends batches of 500 to one partition until they are acknowledged, then one receiver from the beginning;
- hop: one message at a time from a sender to a waiting receiver on an idle queue;
- codec: the same frames and messages read and written in one process, without sockets, broker or database.

Server and PostgreSQL are processes of their own with fsync on; `cpu_us` says what each spends on one message.
"""

import asyncio
import base64
import hmac
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus
from uuid import UUID

import psutil  # type: ignore[import-untyped]
import typer

from bench.report import Effort, Quick, Rounds, Seconds, middle, percentile, result, say
from emulators.messaging.codec import encode, encode_described
from emulators.messaging.event_blocks import EventBlock, read_events
from emulators.messaging.frames import AMQP_HEADER, SASL_HEADER, FrameBuffer, write_frame
from emulators.messaging.message import BATCH_FORMAT, Stamp, compose, read_messages
from emulators.messaging.performatives import (
    Attach,
    Begin,
    Disposition,
    Flow,
    Open,
    SaslInit,
    Transfer,
    write_source,
    write_target,
)
from emulators.messaging.server import DEFAULT_KEY, DEFAULT_KEY_NAME
from emulators.processes.postgres import PostgresServer, free_port

_BODY = b"x" * 200
_QUEUE_BATCH, _HUB_BATCH = 50, 500
_WINDOW = 20
_CREDIT = 1000
_CONFIG = {
    "UserConfig": {
        "Namespaces": [{"Queues": [{"Name": "queue"}, {"Name": "hop"}]}],
        "NamespaceConfig": [{"Entities": [{"Name": "hub", "PartitionCount": 1}]}],
    }
}


def _sections(*parts: tuple[int, object]) -> bytes:
    return b"".join(encode_described(code, encode(value)) for code, value in parts)


_MESSAGE = _sections((0x73, ["id"]), (0x74, {"kind": "bench"}), (0x75, _BODY))


def _batch(count: int) -> bytes:
    return encode_described(0x75, encode(_MESSAGE)) * count


@dataclass
class Client:
    """One connection with one channel."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: FrameBuffer = field(default_factory=lambda: FrameBuffer(1 << 20))
    deliveries: int = 0
    received: int = 0
    handles: dict[str, int] = field(default_factory=dict)
    credited: set[int] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> "AsyncIterator[Client]":
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        client = cls(reader, writer)
        try:
            await client._authenticate()
            yield client
        finally:
            writer.close()

    async def _authenticate(self) -> None:
        self.writer.write(SASL_HEADER + write_frame(SaslInit("ANONYMOUS"), kind=1) + AMQP_HEADER)
        await self.reader.readuntil(AMQP_HEADER)
        self.writer.write(write_frame(Open("bench")) + write_frame(Begin(None, 0, 1 << 30, 1 << 30)))
        self.attach_sender("$cbs", 0)
        self.attach_receiver("$cbs", 1, 10)
        await self.credit(0)
        while "r1" not in self.handles:  # as the SDKs do: the answer needs its link
            await self.arrived()
        self.send(0, _put_token())
        await self.until(Transfer)

    def attach_sender(self, address: str, handle: int) -> None:
        source, target = write_source("bench", None), write_target(address)
        attach = Attach(f"s{handle}", handle, role=False, source=source, target=target, initial_delivery_count=0)
        self.writer.write(write_frame(attach))

    def attach_receiver(self, address: str, handle: int, credit: int, *, settled: bool = True) -> None:
        source, target = write_source(address, None), write_target("bench")
        attach = Attach(f"r{handle}", handle, True, 1 if settled else 0, source=source, target=target)
        self.writer.write(write_frame(attach))
        self.give_credit(handle, credit)

    def give_credit(self, handle: int, credit: int) -> None:
        self.writer.write(write_frame(Flow(0, 1 << 30, 0, 1 << 30, handle, self.received, credit)))

    def send(self, handle: int, payload: bytes, message_format: int = 0) -> None:
        """One delivery, in as many frames as the server's limit asks for."""
        room = 60_000
        for start in range(0, len(payload), room):
            more = start + room < len(payload)
            frame = Transfer(handle, self.deliveries, b"t", message_format, settled=False, more=more)
            self.writer.write(write_frame(frame, payload=payload[start : start + room]))
        self.deliveries += 1

    async def credit(self, handle: int) -> None:
        """Wait until the server lets the sender send; flows of the session and of other links say nothing of it."""
        while self.handles.get(f"s{handle}") not in self.credited:
            await self.arrived()

    async def until(self, kind: type) -> list[object]:
        """The performatives that arrive, up to the first of one kind."""
        seen: list[object] = []
        while not any(isinstance(one, kind) for one in seen):
            seen += await self.arrived()
        return seen

    async def arrived(self) -> list[object]:
        """The performatives of what is there now, waiting for something."""
        data = await self.reader.read(1 << 20)
        if not data:
            raise ConnectionError("The server hung up.")
        self.frames.feed(data)
        found: list[object] = []
        while (frame := self.frames.next_frame()) is not None:
            found.append(frame.performative)
        for one in found:
            if isinstance(one, Attach):
                self.handles[one.name] = one.handle
            elif isinstance(one, Flow) and one.handle is not None and one.link_credit:
                self.credited.add(one.handle)
        return found

    async def acknowledged(self, wanted: int) -> None:
        """Wait until the server settled that many deliveries."""
        settled = 0
        while settled < wanted:
            for one in await self.arrived():
                if isinstance(one, Disposition):
                    settled += (one.last if one.last is not None else one.first) - one.first + 1


def _put_token() -> bytes:
    resource, expiry = quote_plus("sb://host/"), int(time.time()) + 3600
    signature = base64.b64encode(hmac.digest(DEFAULT_KEY.encode(), f"{resource}\n{expiry}".encode(), "sha256"))
    token = f"SharedAccessSignature sr={resource}&sig={quote_plus(signature)}&se={expiry}&skn={DEFAULT_KEY_NAME}"
    headers = {"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": "sb://host/"}
    return _sections((0x73, [UUID(int=1)]), (0x74, headers), (0x77, token))


# --- the server's side ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """A messaging server and its PostgreSQL, as processes."""

    port: int
    server: psutil.Process
    postgres: psutil.Process

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far."""
        return {"server": _cpu(self.server), "postgres": sum(map(_cpu, self.postgres.children(recursive=True)))}


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def _service(folder: Path) -> Iterator[Service]:
    postgres = PostgresServer.start(folder / "postgres")
    config, port = folder / "Config.json", free_port()
    config.write_text(json.dumps(_CONFIG))
    command = [sys.executable, "-m", "emulators.messaging", "--config", str(config), "--port", str(port)]
    command += ["--database", postgres.create_database("bench")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert postgres.process is not None
            yield Service(port, psutil.Process(process.pid), psutil.Process(postgres.process.pid))
        finally:
            process.terminate()
            process.wait(20)
            postgres.stop()


# --- measurements ---------------------------------------------------------------------------------------------------


async def _sending(port: int, address: str, payload: bytes, each: int, seconds: float, message_format: int) -> int:
    """Messages that were acknowledged while `_WINDOW` deliveries were always under way."""
    async with Client.connected(port) as client:
        client.attach_sender(address, 2)
        await client.credit(2)
        deadline, sent = time.perf_counter() + seconds, 0
        while time.perf_counter() < deadline:
            for _ in range(_WINDOW):
                client.send(2, payload, message_format)
            await client.acknowledged(_WINDOW)
            sent += _WINDOW * each
        return sent


async def _receiving(port: int, address: str, wanted: int) -> int:
    """Receive `wanted` messages, settled by the server as it sends them."""
    async with Client.connected(port) as client:
        client.attach_receiver(address, 2, _CREDIT)
        granted = _CREDIT
        while client.received < wanted:
            client.received += sum(
                isinstance(one, Transfer) and not one.more and one.handle == 2 for one in await client.arrived()
            )
            if granted - client.received < _CREDIT // 2:
                granted = client.received + _CREDIT
                client.give_credit(2, _CREDIT)
        return client.received


async def _hops(port: int, count: int) -> list[float]:
    """Milliseconds from a send to its arrival at a receiver that waits, one at a time."""
    async with Client.connected(port) as sender, Client.connected(port) as receiver:
        sender.attach_sender("hop", 2)
        await sender.credit(2)
        receiver.attach_receiver("hop", 2, count + 1)
        await receiver.until(Attach)
        waits = []
        for _ in range(count):
            started = time.perf_counter()
            sender.send(2, _MESSAGE)
            await receiver.until(Transfer)
            waits.append((time.perf_counter() - started) * 1000)
            await sender.acknowledged(1)
        return waits


@dataclass
class Figures:
    """Rates by name, one a round, and the CPU of the last."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, dict[str, float]] = field(default_factory=dict)

    async def measure(self, service: Service, name: str, work: Callable[[], Awaitable[int]]) -> int:
        before, started = service.cpu(), time.perf_counter()
        count = await work()
        seconds, after = time.perf_counter() - started, service.cpu()
        self.rates.setdefault(name, []).append(count / seconds)
        self.cpu_us[name] = {part: round((after[part] - before[part]) / count * 1e6, 1) for part in after}
        say(f"{name}: {count / seconds:,.0f}/s  cpu {self.cpu_us[name]} us a message")
        return count


async def _round(service: Service, figures: Figures, seconds: float) -> None:
    port = service.port
    batch, events = _batch(_QUEUE_BATCH), _batch(_HUB_BATCH)
    queued = await figures.measure(
        service,
        "queue_send_batches",
        lambda: _sending(port, "queue", batch, _QUEUE_BATCH, seconds, BATCH_FORMAT),
    )
    queued += await figures.measure(
        service, "queue_send_single", lambda: _sending(port, "queue", _MESSAGE, 1, seconds, 0)
    )
    await figures.measure(service, "queue_receive", lambda: _receiving(port, "queue", queued))
    stored = await figures.measure(
        service, "hub_send", lambda: _sending(port, "hub", events, _HUB_BATCH, seconds, BATCH_FORMAT)
    )
    await figures.measure(
        service, "hub_receive", lambda: _receiving(port, "hub/ConsumerGroups/$Default/Partitions/0", stored)
    )


def _rate(work: Callable[[], int], seconds: float) -> float:
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        count += work()
    return count / (time.perf_counter() - started)


def _codec(seconds: float) -> dict[str, float]:
    """What the codec alone can do with the frames and messages of each measurement, per second."""
    batch, events = _batch(_QUEUE_BATCH), _batch(_HUB_BATCH)
    frame = write_frame(Transfer(2, 1, b"t" * 16, 0, settled=True), payload=_MESSAGE)
    content = read_messages(_MESSAGE, 0)[0].content
    block = EventBlock(1, 0, _HUB_BATCH, 0, 1, b"".join(read_events(events, BATCH_FORMAT).records))

    def read_single() -> int:
        buffer = FrameBuffer(1 << 20)
        buffer.feed(frame)
        read = buffer.next_frame()
        assert read is not None
        return len(read_messages(read.payload, 0))

    def write_message() -> int:
        write_frame(Transfer(2, 1, b"t" * 16, 0, settled=True), payload=compose(content, Stamp(1, 1.0, 0)))
        return 1

    def write_events() -> int:
        for sequence in range(_HUB_BATCH):
            write_frame(Transfer(2, 1, b"t" * 8, 0, settled=True), payload=block.message(sequence))
        return _HUB_BATCH

    limits: dict[str, Callable[[], int]] = {
        "queue_send_batches": lambda: len(read_messages(batch, BATCH_FORMAT)),
        "queue_send_single": read_single,
        "queue_receive": write_message,
        "hub_send": lambda: len(read_events(events, BATCH_FORMAT).records),
        "hub_receive": write_events,
    }
    return {name: round(_rate(work, seconds)) for name, work in limits.items()}


async def _run(service: Service, effort: Effort, hops: int) -> tuple[Figures, list[float]]:
    figures = Figures()
    waits = await _hops(service.port, hops)
    for _ in range(effort.rounds):
        await _round(service, figures, effort.seconds)
    return figures, waits


def _report(figures: Figures, waits: list[float], codec: dict[str, float]) -> None:
    rates = {name: middle(values, 0) for name, values in figures.rates.items()}
    result(
        "messaging",
        {
            "per_s": rates,
            "codec_per_s": codec,
            "share_of_codec": {name: round(rates[name] / codec[name], 2) for name in rates},
            "cpu_us": figures.cpu_us,
            "codec_us": {name: round(1e6 / value, 1) for name, value in codec.items()},
            "idle_hop_ms": {"p50": middle(waits, 2), "p99": round(percentile(waits, 0.99), 2)},
            "body_bytes": len(_BODY),
        },
    )


def main(rounds: Rounds = 5, seconds: Seconds = 5.0, quick: Quick = False, hops: int = 300) -> None:
    """Measure and print one line of JSON."""
    effort = Effort.of(rounds, seconds, quick=quick)
    with tempfile.TemporaryDirectory(prefix="bench-messaging-") as folder:
        # PostgreSQL runs as another user when this is root.
        Path(folder).chmod(0o755)
        with _service(Path(folder)) as service:
            figures, waits = asyncio.run(_run(service, effort, hops))
    _report(figures, waits, _codec(min(effort.seconds, 1.0)))


if __name__ == "__main__":
    typer.run(main)
