"""Admission: more orders at once than a process has room for are refused at once, and lose nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import orjson
import pytest

from shared.adapters.reference import load_reference_data
from shared.application.orders import place as place_module
from shared.application.orders.judge import PlaceCall, Rules
from shared.application.orders.place import PlaceOrders
from shared.contracts.orders import PlaceOrder
from shared.domain.errors import KycRequiredError, OverloadedError
from shared.domain.sessions import MarketTime
from shared.ports.orders import AdmissionFacts, Inquiry
from tests.edge.support import ALICE, PLACE
from tests.support.waiting import eventually

DATA = load_reference_data()
RULES = Rules(DATA.instruments, DATA.limits, DATA.rate_cards)
_STRANGER = AdmissionFacts(None, 0, 0, None, None)


class SlowRecords:
    """A database that answers when the test lets it."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def inquire(self, inquiries: Sequence[Inquiry]) -> list[AdmissionFacts]:
        self.asked += len(inquiries)
        await self.answer.wait()
        return [_STRANGER] * len(inquiries)


class OpenMarket:
    """A market that never closes."""

    async def time(self) -> MarketTime:
        return MarketTime(DATA.calendars["continuous"])


async def test_orders_beyond_the_room_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_module, "_MOST_ENTERING", 3)
    records = SlowRecords()
    nobody = cast(Any, None)
    command = PlaceOrder.model_validate_json(orjson.dumps(PLACE))
    names = ("books", "limiter", "publisher", "dispatcher", "wakeups", "timing")
    orders = PlaceOrders(records=cast(Any, records), rules=RULES, market=OpenMarket(), **dict.fromkeys(names, nobody))

    def place() -> asyncio.Task[Any]:
        return asyncio.create_task(orders.place(PlaceCall(ALICE, command, None, "r-1"), nobody))

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
