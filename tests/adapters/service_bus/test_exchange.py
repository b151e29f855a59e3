"""The connection to the exchange's queue that is opened before the first order."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from shared.adapters.service_bus.exchange import ServiceBusExchange
from shared.ports.outbox import ExchangeMessage
from tests.support.waiting import eventually


class Links:
    """A client of the bus whose links open as `opening` says."""

    def __init__(self, opening: Any) -> None:
        self.opening = opening
        self.closed = 0

    def client(self) -> "Links":
        return self

    def get_queue_sender(self, name: str) -> "Links":
        return self

    async def create_message_batch(self) -> None:
        await self.opening()

    async def close(self) -> None:
        self.closed += 1


async def defect() -> None:
    raise ZeroDivisionError


async def test_defect_of_an_early_opening_is_logged_and_met_again() -> None:
    links: Any = Links(defect)
    exchange = ServiceBusExchange(links)
    with capture_logs() as logs:
        exchange.open_early()
        await eventually(lambda: logs)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("opening the connection to the bus early failed", "error")
    ]
    with pytest.raises(ZeroDivisionError):
        await exchange.send([ExchangeMessage(uuid4(), "00", "{}")])
    assert links.closed == 4


async def test_close_ends_an_opening_that_hangs() -> None:
    hanging = asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await asyncio.Event().wait()

    links: Any = Links(hang)
    exchange = ServiceBusExchange(links)
    exchange.open_early()
    await hanging.wait()
    async with asyncio.timeout(2):
        await exchange.close()
    assert links.closed == 2
