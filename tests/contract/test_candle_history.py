"""`CandleHistory`: a document is written only on the version that was read, and read as it was written."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.adapters.cosmos.candle_history import CosmosCandleHistory
from shared.domain.market_data.candles import HOUR_US, MINUTE_US, Basis, Candle, Session
from shared.ports.candles import CandleHistory, CandleHour
from tests.fakes.market_data import MemoryHistory
from tests.support.cosmos import a_container, candles_server

HOUR = 495_000 * HOUR_US
INFY, TCS = "NSE:INFY", "NSE:TCS"


@pytest.fixture(params=["memory", "cosmos"])
async def history(request: pytest.FixtureRequest) -> AsyncIterator[CandleHistory]:
    if request.param == "memory":
        yield MemoryHistory()
        return
    postgres = request.getfixturevalue("postgres_server")
    async with candles_server(postgres) as server, a_container(server.url, server.key) as container:
        yield CosmosCandleHistory(container)


def a_candle(minute: int, sequence: int = 1, session: Session = Session.CONTINUOUS) -> Candle:
    prices = (1512_35, 1600_00, 1_00, 1512_40)
    return Candle(HOUR + minute * MINUTE_US, session, *prices, 7, 10**15 + 1, 3, 2**51, sequence, Basis.WINDOWS)


def an_hour(*candles: Candle, instrument_id: str = INFY, hour: int = HOUR, etag: str | None = None) -> CandleHour:
    return CandleHour(instrument_id, hour, candles, etag)


async def test_document_is_read_as_it_was_written(history: CandleHistory) -> None:
    candles = (a_candle(15, session=Session.PRE_OPEN), a_candle(15), a_candle(16))
    assert await history.put(an_hour(*candles))
    [found] = await history.hours(INFY, HOUR, HOUR)
    assert (found.instrument_id, found.hour, tuple(found.candles)) == (INFY, HOUR, candles)
    assert found.etag


async def test_hours_of_one_instrument_come_in_order(history: CandleHistory) -> None:
    for number in (3, 0, 1, 30):
        assert await history.put(an_hour(a_candle(1, number), hour=HOUR + number * HOUR_US))
    await history.put(an_hour(a_candle(1), instrument_id=TCS))
    found = await history.hours(INFY, HOUR, HOUR + 3 * HOUR_US)
    assert [(each.hour - HOUR) // HOUR_US for each in found] == [0, 1, 3]
    assert [each.candles[0].sequence for each in found] == [0, 1, 3]
    assert await history.hours(INFY, HOUR + 4 * HOUR_US, HOUR + 29 * HOUR_US) == []
    assert await history.hours("NSE:NONE", HOUR, HOUR) == []


async def test_document_is_replaced_on_its_own_version_alone(history: CandleHistory) -> None:
    await history.put(an_hour(a_candle(1)))
    [first] = await history.hours(INFY, HOUR, HOUR)
    assert await history.put(an_hour(a_candle(1, 2), etag=first.etag))
    assert not await history.put(an_hour(a_candle(1, 3), etag=first.etag))
    assert not await history.put(an_hour(a_candle(1, 3)))
    assert not await history.put(an_hour(a_candle(1), instrument_id=TCS, etag=first.etag))
    [second] = await history.hours(INFY, HOUR, HOUR)
    assert second.candles[0].sequence == 2
    assert await history.hours(TCS, HOUR, HOUR) == []


async def test_one_of_many_writers_wins_each_version(history: CandleHistory) -> None:
    async def write(number: int) -> int:
        lost = 0
        while True:
            found = await history.hours(INFY, HOUR, HOUR)
            held = list(found[0].candles) if found else []
            merged = an_hour(*held, a_candle(number), etag=found[0].etag if found else None)
            if await history.put(merged):
                return lost
            lost += 1

    await asyncio.gather(*(write(number) for number in range(5)))
    [found] = await history.hours(INFY, HOUR, HOUR)
    assert sorted(each.start for each in found.candles) == [HOUR + n * MINUTE_US for n in range(5)]


async def test_a_whole_hour_fits_into_a_document(history: CandleHistory) -> None:
    candles = [a_candle(minute, 2**50 + minute) for minute in range(60)]
    assert await history.put(an_hour(*candles, instrument_id=f"NSE:{uuid4().hex}"))
    await history.put(an_hour(*candles))
    [found] = await history.hours(INFY, HOUR, HOUR)
    assert list(found.candles) == candles
