"""Session rules, the market clock, and what the end of a session does."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from simulators.exchange.sessions import BUILT_IN, CalendarError, read_calendar
from tests.exchange.support import MONDAY, FixedClock, about, new, running, types
from tests.support.waiting import eventually

NSE = read_calendar(BUILT_IN["nse"])
CONTINUOUS = read_calendar(BUILT_IN["continuous"])


def india(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+05:30").astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T09:14:59", False),
        ("2026-11-23T09:15:00", True),
        ("2026-11-23T15:29:59", True),
        ("2026-11-23T15:30:00", False),
        ("2026-11-22T10:00:00", False),
        ("2026-11-24T10:00:00", False),
        ("2026-01-26T10:00:00", False),
        ("2027-01-04T10:00:00", True),
        ("2025-12-31T10:00:00", False),
    ],
)
def test_nse_is_open_in_its_hours_only(moment: str, is_open: bool) -> None:
    assert (NSE.at(india(moment)) is not None) == is_open


def test_next_open_skips_holidays_and_weekends() -> None:
    assert NSE.next_open(india("2026-11-23T16:00:00")) == india("2026-11-25T09:15:00")


def test_continuous_trade_date_ends_at_midnight_in_india() -> None:
    before = CONTINUOUS.at(india("2026-11-22T23:59:59"))
    after = CONTINUOUS.at(india("2026-11-23T00:00:00"))
    assert before is not None
    assert after is not None
    assert (before.trade_date, after.trade_date) == (date(2026, 11, 22), date(2026, 11, 23))
    assert before.closes == after.opens


def test_special_session_opens_on_a_holiday(tmp_path: Path) -> None:
    file = tmp_path / "calendar.json"
    file.write_text(
        """{"calendar": "x", "rules": [{"valid_from": "2026-01-01", "weekdays": [1, 2, 3, 4, 5], "open": "09:15",
        "close": "15:30", "special_sessions": {"2026-11-08":
        {"open": "18:00", "close": "19:00", "name": "Muhurat"}}}]}"""
    )
    calendar = read_calendar(file)
    assert calendar.at(india("2026-11-08T18:30:00")) is not None
    assert calendar.at(india("2026-11-08T10:00:00")) is None


@pytest.mark.parametrize("text", ["", "{}", '{"calendar": "x", "rules": [{"open": 9}]}'])
def test_unusable_session_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(CalendarError, match=r"bad\.json"):
        read_calendar(file)


async def test_orders_outside_a_session_are_refused(database: str) -> None:
    async with running(database, calendar="nse", clock=FixedClock(india("2026-11-23T09:14:59"))) as venue:
        [report] = await venue.ask(new())
        assert (report["exec_type"], report["reason"]) == ("REJECTED", "MARKET_CLOSED")
        venue.clock.advance(seconds=1)
        assert types(await venue.ask(new())) == ["NEW"]


async def test_session_end_expires_every_day_order(database: str) -> None:
    clock = FixedClock(india("2026-11-23T15:29:00"))
    orders = [new(price="1400.00"), new(side="SELL", price="1600.00")]
    async with running(database, calendar="nse", clock=clock) as venue:
        await venue.ask(*orders)
        clock.advance(minutes=1)
        reports = await venue.sent()
        assert types(reports) == ["EXPIRED", "EXPIRED"]
        for order, report in zip(orders, reports, strict=True):
            assert (report["order_id"], report["reason"]) == (order["order_id"], "SESSION_END")
            assert (report["request_id"], report["leaves_quantity"]) == (order["request_id"], 0)
        assert not venue.gateway.venue.live


async def test_session_end_while_down_expires_with_its_trade_date(database: str) -> None:
    clock, order = FixedClock(india("2026-11-23T15:29:00")), new()
    async with running(database, calendar="nse", clock=clock) as venue:
        await venue.ask(order)
    clock.now = india("2026-11-25T10:00:00")
    async with running(database, calendar="nse", clock=clock) as venue:
        [expired, *others] = await venue.ask(new(side="SELL"))
        assert (expired["exec_type"], expired["trade_date"]) == ("EXPIRED", "2026-11-23")
        assert types(others) == ["NEW"]
        assert others[0]["trade_date"] == "2026-11-25"


async def test_session_end_of_many_orders_takes_several_entries(database: str) -> None:
    async with running(database) as venue:
        for _ in range(6):
            await venue.deliver({"version": 1, "requests": [new(price="1400.00") for _ in range(200)]})
        await venue.sent()
        venue.clock.advance(days=1)
        reports = await venue.sent()
        assert types(reports) == ["EXPIRED"] * 1200
        assert len({report["exec_id"] for report in reports}) == 1200


async def test_session_end_comes_by_itself(database: str) -> None:
    clock = FixedClock(india("2026-11-23T15:29:59.999"))
    async with running(database, calendar="nse", clock=clock) as venue:
        await venue.ask(new())
        clock.advance(milliseconds=1)
        await eventually(lambda: types(venue.bus.reports) == ["EXPIRED"])


async def test_market_clock_offset_survives_restart(database: str) -> None:
    async with running(database) as venue:
        answer = await venue.admin.put("/clock", json={"market_time": "2026-12-01T10:00:00+05:30"})
        assert answer.json()["trade_date"] == "2026-12-01"
    async with running(database) as venue:
        clock = (await venue.admin.get("/clock")).json()
        assert clock["market_time"] == "2026-12-01T04:30:00.000000Z"
        assert clock["real_time"] == "2026-11-23T04:30:00.000000Z"
        [report] = await venue.ask(new())
        assert (report["trade_date"], report["transact_time"]) == ("2026-12-01", "2026-11-23T04:30:00.000000Z")


async def test_setting_the_clock_past_the_close_expires_orders(database: str) -> None:
    async with running(database) as venue:
        await venue.ask(new())
        await venue.admin.put("/clock", json={"offset_s": 86400})
        assert types(await venue.sent()) == ["EXPIRED"]


async def test_expire_at_follows_the_real_clock(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.put("/clock", json={"offset_s": 86400 * 30})
        late = (MONDAY + timedelta(minutes=1)).isoformat()
        assert types(await venue.ask(new(expire_at=late))) == ["NEW"]


async def test_end_of_day_closes_the_trade_date(database: str) -> None:
    order = new()
    async with running(database) as venue:
        await venue.ask(order)
        answer = await venue.admin.post("/end-of-day")
        assert answer.json()["open"] is False
        assert types(await venue.sent()) == ["EXPIRED"]
        assert (await venue.ask(new()))[0]["reason"] == "MARKET_CLOSED"
    async with running(database) as venue:
        assert (await venue.ask(new()))[0]["reason"] == "MARKET_CLOSED"
        await venue.admin.put("/clock", json={"offset_s": 86400})
        assert types(await venue.ask(new())) == ["NEW"]
        assert (await venue.ask(about(order, "CANCEL")))[0]["reason"] == "TOO_LATE"


async def test_market_time_never_moves_transact_time_back(database: str) -> None:
    async with running(database) as venue:
        first = await venue.ask(new())
        venue.clock.advance(seconds=-30)
        second = await venue.ask(new())
        assert second[0]["transact_time"] == first[0]["transact_time"]


@pytest.mark.parametrize(
    ("market_time", "sentence"),
    [
        ("2025-12-31T10:00:00+05:30", "the calendar nse has no rules for 2025-12-31"),
        ("0001-01-01T00:00:00Z", "within 3650 days of the real time"),
        ("9999-12-31T23:59:59Z", "within 3650 days of the real time"),
    ],
)
async def test_market_time_without_dated_rules_is_refused(database: str, market_time: str, sentence: str) -> None:
    async with running(database, calendar="nse") as venue:
        before = (await venue.admin.get("/clock")).json()
        answer = await venue.admin.put("/clock", json={"market_time": market_time})
        assert (answer.status_code, sentence in answer.text) == (400, True)
        assert (await venue.admin.get("/clock")).json() == before
        assert types(await venue.ask(new())) == ["NEW"]
