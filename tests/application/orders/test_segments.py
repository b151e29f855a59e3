"""Segments trade at their own hours: each order is judged, sent and asked about by those of its instrument."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest

from shared.adapters.reference import load_reference_data
from shared.application.orders.judge import Rules
from shared.domain.charges.rate_cards import RateCards
from shared.domain.instruments.instrument import EQUITY
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.orders.order import Order, OrderKey, State
from shared.domain.orders.rejects import RejectCode
from shared.domain.orders.risk import LimitsBook
from shared.domain.sessions import SegmentTime
from tests.application.orders.test_place import call, place, settled
from tests.fakes.market import CONTINUOUS, FixedMarket
from tests.fakes.trading import MemoryTrading
from tests.support.broker import report
from tests.support.facts import CARD, INFY, LIMITS, instrument

NSE = load_reference_data().calendars["nse"]
GOLD = instrument(instrument_id="MCX:GOLD", isin="", segment="COM")
EVENING = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # 17:30 in India: shares have closed
RULES = Rules(InstrumentMaster([INFY, GOLD]), LimitsBook([LIMITS]), RateCards([CARD, replace(CARD, segment="COM")]))


@pytest.fixture
def market() -> FixedMarket:
    return FixedMarket({EQUITY: NSE, "COM": CONTINUOUS}, EVENING - datetime.now(UTC))


@pytest.fixture
async def broker(market: FixedMarket) -> AsyncIterator[MemoryTrading]:
    made = MemoryTrading(RULES, market)
    yield made
    await settled(made)


@pytest.fixture
async def user(broker: MemoryTrading) -> UUID:
    return await broker.open(10**9, 10, INFY.security_id)


async def submitted(broker: MemoryTrading, user: UUID, market: FixedMarket, between: timedelta = timedelta(0)) -> Order:
    """An order in gold, sent so much later than it was accepted."""
    placed = await place(broker, call(user, instrument_id="MCX:GOLD"))
    await broker.use_cases.dispatcher.run(broker.sagas)
    market.offset += between
    for step in (broker.use_cases.order_saga.reserve_funds, broker.use_cases.order_saga.submit_to_exchange):
        await step(broker.sagas.started[-1], broker.sagas)
    return broker.memory.orders[OrderKey(user, placed.order_id)]


async def test_order_is_judged_by_the_hours_of_its_segment(broker: MemoryTrading, user: UUID) -> None:
    placed = [await place(broker, call(user, instrument_id=each)) for each in ("NSE:INFY", "MCX:GOLD", "NSE:NOPE")]
    assert [each.status for each in placed] == [422, 202, 422]
    assert orjson.loads(placed[0].body)["details"]["reject_code"] == RejectCode.SESSION_CLOSED
    # Tuesday is a holiday of shares; an unknown instrument counts as one of the first segment.
    dates = [broker.memory.orders[OrderKey(user, each.order_id)].trade_date for each in placed]
    assert dates == ["2026-11-25", "2026-11-23", "2026-11-25"]


async def test_order_is_sent_in_the_session_of_its_segment(
    broker: MemoryTrading, user: UUID, market: FixedMarket
) -> None:
    assert (await submitted(broker, user, market)).state is State.SUBMITTED
    late = await submitted(broker, user, market, timedelta(hours=8))
    assert (late.state, late.reject_code) == (State.REJECTED, RejectCode.SESSION_ENDED)


async def test_order_is_asked_about_after_its_segment_s_session(
    broker: MemoryTrading, user: UUID, market: FixedMarket
) -> None:
    order = await submitted(broker, user, market)
    body = orjson.dumps({"version": 1, "reports": [report(order.key, instrument_id="MCX:GOLD")]})
    await broker.use_cases.execution_reports.book([body], broker.sagas)
    hours = SegmentTime(CONTINUOUS, market.offset)
    closes = hours.ours(hours.session_end(EVENING.date()))
    assert broker.memory.orders[order.key].deadline == closes + broker.timing.after_session
