"""Builders and a bus in memory for the exchange's tests."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from simulators.exchange.admin import AdminApi
from simulators.exchange.faults import Faults
from simulators.exchange.gateway import Gateway, Limits, Market
from simulators.exchange.inbox import Delivery, Inbox, Verdict
from simulators.exchange.instruments import read_instruments
from simulators.exchange.makers import MarketMakers
from simulators.exchange.outbox import Outbox
from simulators.exchange.participants import Participants
from simulators.exchange.sessions import BUILT_IN, Clock, read_calendar

INSTRUMENTS = Path(__file__).with_name("instruments.csv")
FAR = "2100-01-01T00:00:00Z"
# A Monday, 10:00 in India.
MONDAY = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)


def new(**changes: Any) -> dict[str, Any]:
    """A NEW for 10 INFY at 1500.00 with fresh ids."""
    entry = {
        "kind": "NEW",
        "request_id": str(uuid.uuid4()),
        "order_id": str(uuid.uuid4()),
        "instrument_id": "NSE:INFY",
        "account": f"C{uuid.uuid4().hex[:8]}",
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "DAY",
        "quantity": 10,
        "price": "1500.00",
        "expire_at": FAR,
    }
    return entry | changes


def about(order: dict[str, Any], kind: str, **changes: Any) -> dict[str, Any]:
    """A CANCEL, REPLACE, STATUS or RESEND of an order, with a fresh request id."""
    names = ["order_id", "instrument_id", "account", "side"]
    if kind == "REPLACE":
        names += ["order_type", "time_in_force", "quantity", "price"]
    ids = {"kind": kind, "request_id": str(uuid.uuid4()), "orig_request_id": order["request_id"]}
    return ids | {name: order[name] for name in names} | changes


@dataclass
class MemoryBus:
    """The transport seam: lists instead of queues; `away` makes `send` wait."""

    messages: list[list[dict[str, Any]]] = field(default_factory=list)
    attached: asyncio.Event = field(default_factory=asyncio.Event)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, inbox: Inbox) -> None:
        self.attached.set()
        await asyncio.Event().wait()

    async def send(self, messages: list[bytes]) -> None:
        self.messages += [orjson.loads(message)["reports"] for message in messages]
        self._grown.set()

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [report for message in self.messages for report in message]

    async def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The first `count` reports, once there are as many."""
        async with asyncio.timeout(10):
            while len(self.reports) < count:
                self._grown.clear()
                await self._grown.wait()
        return self.reports[:count]

    def take(self) -> list[dict[str, Any]]:
        """All reports so far, forgetting them."""
        reports = self.reports
        self.messages.clear()
        return reports


@dataclass
class FixedClock:
    """Real time of a test; only the test moves it."""

    now: datetime = MONDAY

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class RunningVenue:
    """A gateway with its outbox in this process."""

    gateway: Gateway
    bus: MemoryBus
    clock: FixedClock
    admin: httpx.AsyncClient

    async def ask(self, *entries: Any) -> list[dict[str, Any]]:
        """Send one message; returns the reports it caused (all there are when everything is sent)."""
        verdict = await self.deliver({"version": 1, "requests": list(entries)})
        assert verdict.error is None
        return await self.sent()

    async def sent(self) -> list[dict[str, Any]]:
        await self.gateway.settle()
        await asyncio.wait_for(self.gateway.outbox.until_idle(), 10)
        return self.bus.take()

    async def deliver(self, document: Any) -> Verdict:
        """Put a message body into the inbox; returns its verdict."""
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        delivery = Delivery(str(uuid.uuid4()), body)
        self.gateway.inbox.put(delivery)
        return await asyncio.wait_for(delivery.settled, 10)


@asynccontextmanager
async def running(
    database: str,
    *,
    bus: MemoryBus | None = None,
    clock: FixedClock | None = None,
    calendar: str = "continuous",
    makers: bool = False,
    trades_per_s: float = 0,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    graceful: bool = True,
) -> AsyncIterator[RunningVenue]:
    """A venue on `database`; without `graceful` it is cut off at the end, as by a kill."""
    bus, clock = bus or MemoryBus(), clock or FixedClock()
    master = read_instruments(INSTRUMENTS)
    market = Market(
        master,
        read_calendar(BUILT_IN[calendar]),
        Clock(real=clock),
        MarketMakers(master, seed=1, interval_s=0.02) if makers else None,
        Participants(1, trades_per_s) if trades_per_s else None,
    )
    faults = Faults()
    outbox = Outbox(database, bus, faults)
    gateway = Gateway(database, Inbox(), outbox, market, faults, limits)
    api = AdminApi(gateway, database)
    app = api.app()
    tasks = [asyncio.create_task(gateway.run()), asyncio.create_task(outbox.run())]
    try:
        await asyncio.wait_for(gateway.ready.wait(), 10)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://venue") as admin,
        ):
            yield RunningVenue(gateway, bus, clock, admin)
        if graceful:
            gateway.stop()
            await asyncio.wait_for(tasks[0], 10)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def of(reports: Sequence[dict[str, Any]], order: dict[str, Any]) -> list[dict[str, Any]]:
    """The reports of one order."""
    return [report for report in reports if report["order_id"] == order["order_id"]]


def types(reports: Sequence[dict[str, Any]]) -> list[str]:
    """Their exec_types."""
    return [report["exec_type"] for report in reports]
