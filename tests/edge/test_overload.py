"""Admission: more orders at once than a process has room for are refused at once, and lose nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from shared.application import orders as orders_module
from shared.application.orders import Orders
from shared.contracts.orders import PlaceOrder
from shared.domain.errors import KycRequiredError, OverloadedError
from shared.ports.orders import AdmissionFacts, Inquiry
from tests.edge.support import ALICE, PLACE
from tests.support.waiting import eventually

_STRANGER = AdmissionFacts(None, 0, 0, None, None)


class SlowRecords:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def inquire(self, inquiries: Sequence[Inquiry]) -> list[AdmissionFacts]:
        self.asked += len(inquiries)
        await self.answer.wait()
        return [_STRANGER] * len(inquiries)


async def test_orders_beyond_the_room_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_module, "_MOST_ENTERING", 3)
    records = SlowRecords()
    nobody = cast(Any, None)
    names = ("books", "rules", "market", "limiter", "publisher", "dispatcher", "wakeups", "timing", "write_problem")
    orders = Orders(records=cast(Any, records), **dict.fromkeys(names, nobody))

    def place() -> asyncio.Task[Any]:
        return asyncio.create_task(orders.place(ALICE, PlaceOrder(**PLACE), None, 0.0, nobody))

    entered = [place() for _ in range(3)]
    await eventually(lambda: records.asked)
    with pytest.raises(OverloadedError) as refused:
        await place()
    assert refused.value.retry_after_s >= 1

    records.answer.set()
    outcomes = await asyncio.gather(*entered, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KycRequiredError] * 3
    with pytest.raises(KycRequiredError):  # there is room again
        await place()
