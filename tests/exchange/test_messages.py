"""Every row of docs/reference/exchange-messages.md, on a gateway with a bus in memory."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from simulators.exchange.commands import Reason
from simulators.exchange.reports import instant
from tests.exchange.support import FAR, MONDAY, RunningVenue, about, new, of, running, types

PAGE = Path(__file__).parents[2] / "docs/reference/exchange-messages.md"


@pytest.fixture
async def venue(database: str) -> AsyncIterator[RunningVenue]:
    async with running(database) as found:
        yield found


def test_reasons_equal_the_documented_list() -> None:
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith("Reasons: "))
    assert set(line.removeprefix("Reasons: `").removesuffix("`.").split(", ")) == {str(reason) for reason in Reason}


async def test_new_order_is_acknowledged_with_every_field(venue: RunningVenue) -> None:
    order = new(quantity=7, price="1499.90")
    [report] = await venue.ask(order)
    assert report == {
        "exec_type": "NEW",
        "exec_id": "E000000000001-0",
        "venue": "NSE",
        "trade_date": "2026-11-23",
        "account": order["account"],
        "order_id": order["order_id"],
        "request_id": order["request_id"],
        "instrument_id": "NSE:INFY",
        "side": "BUY",
        "exchange_order_id": "20261123000000000001",
        "order_status": "NEW",
        "report_sequence": 1,
        "quantity": 7,
        "price": "1499.90",
        "cum_quantity": 0,
        "leaves_quantity": 7,
        "transact_time": "2026-11-23T04:30:00.000000Z",
    }


async def test_crossing_orders_trade_at_resting_price(venue: RunningVenue) -> None:
    resting, taker = new(price="1500.50"), new(side="SELL", price="1500.00", quantity=4)
    reports = await venue.ask(resting, taker)
    assert types(of(reports, resting)) == ["NEW", "TRADE"]
    bought, sold = of(reports, resting)[1], of(reports, taker)[1]
    assert (bought["last_price"], bought["last_quantity"], sold["last_price"]) == ("1500.50", 4, "1500.50")
    assert bought["match_id"] == sold["match_id"]
    assert bought["exec_id"] != sold["exec_id"]
    assert (bought["order_status"], bought["cum_quantity"], bought["leaves_quantity"]) == ("PARTIALLY_FILLED", 4, 6)
    assert (sold["order_status"], sold["cum_quantity"], sold["leaves_quantity"]) == ("FILLED", 4, 0)
    assert [r["report_sequence"] for r in of(reports, resting)] == [1, 2]


async def test_same_request_again_repeats_reports_only(venue: RunningVenue) -> None:
    order = new()
    first = await venue.ask(order)
    assert await venue.ask(order) == first
    assert await venue.ask(order, order) == first + first
    assert len(venue.gateway.venue.live) == 1


async def test_twin_requests_in_one_message_act_once(venue: RunningVenue) -> None:
    order = new()
    reports = await venue.ask(order, order)
    assert [r["exec_id"] for r in reports] == ["E000000000001-0"] * 2


async def test_cancel_of_unknown_order_leaves_tombstone(venue: RunningVenue) -> None:
    order = new()
    [rejected] = await venue.ask(about(order, "CANCEL"))
    assert (rejected["exec_type"], rejected["reason"], rejected["tombstone"]) == (
        "CANCEL_REJECT",
        "UNKNOWN_ORDER",
        True,
    )
    assert (rejected["order_status"], rejected["response_to"]) == ("UNKNOWN", "CANCEL")
    assert "exchange_order_id" not in rejected
    assert "report_sequence" not in rejected
    [again] = await venue.ask(about(order, "CANCEL"))
    assert again["tombstone"] is True
    [refused] = await venue.ask(order)
    assert (refused["exec_type"], refused["reason"], refused["report_sequence"]) == ("REJECTED", "TOMBSTONED", 1)


async def test_tombstone_and_its_order_in_one_message(venue: RunningVenue) -> None:
    order = new()
    reports = await venue.ask(about(order, "CANCEL"), order)
    assert [r["reason"] for r in reports] == ["UNKNOWN_ORDER", "TOMBSTONED"]


async def test_cancel_takes_live_order_out(venue: RunningVenue) -> None:
    order = new()
    await venue.ask(order)
    cancel = about(order, "CANCEL")
    [report] = await venue.ask(cancel)
    assert (report["exec_type"], report["reason"], report["leaves_quantity"]) == ("CANCELED", "REQUESTED", 0)
    assert (report["request_id"], report["order_status"]) == (cancel["request_id"], "CANCELED")
    [late] = await venue.ask(about(order, "CANCEL"))
    assert (late["exec_type"], late["reason"], late["order_status"]) == ("CANCEL_REJECT", "TOO_LATE", "CANCELED")
    assert "tombstone" not in late


async def test_replace_changes_price_and_total_quantity(venue: RunningVenue) -> None:
    order = new()
    await venue.ask(order, new(side="SELL", quantity=4))
    replace = about(order, "REPLACE", quantity=20, price="1501.00")
    [report] = await venue.ask(replace)
    assert (report["exec_type"], report["quantity"], report["price"]) == ("REPLACED", 20, "1501.00")
    assert (report["cum_quantity"], report["leaves_quantity"]) == (4, 16)
    assert report["order_status"] == "PARTIALLY_FILLED"
    fills = of(await venue.ask(new(side="SELL", quantity=1, price="1501.00")), order)
    assert fills[0]["request_id"] == replace["request_id"]


async def test_replace_that_crosses_trades_at_once(venue: RunningVenue) -> None:
    order, other = new(price="1400.00"), new(side="SELL", price="1500.00")
    await venue.ask(order, other)
    reports = of(await venue.ask(about(order, "REPLACE", price="1500.00")), order)
    assert types(reports) == ["REPLACED", "TRADE"]
    assert reports[-1]["order_status"] == "FILLED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": 4}, "QUANTITY"),
        ({"price": "1500.05"}, "PRICE_TICK"),
        ({"price": "9000.00"}, "PRICE_BAND"),
        ({"side": "SELL"}, "MALFORMED"),
        ({"quantity": "many"}, "MALFORMED"),
    ],
)
async def test_impossible_replace_leaves_order_working(
    venue: RunningVenue, changes: dict[str, object], reason: str
) -> None:
    order = new()
    await venue.ask(order, new(side="SELL", quantity=4))
    [report] = await venue.ask(about(order, "REPLACE", **changes))
    assert (report["exec_type"], report["reason"], report["response_to"]) == ("CANCEL_REJECT", reason, "REPLACE")
    assert (report["order_status"], report["leaves_quantity"]) == ("PARTIALLY_FILLED", 6)
    [status] = await venue.ask(about(order, "STATUS"))
    assert (status["quantity"], status["price"], status["last_sequence"]) == (10, "1500.00", 2)


async def test_replace_of_unknown_order_leaves_nothing(venue: RunningVenue) -> None:
    order = new()
    [report] = await venue.ask(about(order, "REPLACE"))
    assert (report["reason"], report["order_status"]) == ("UNKNOWN_ORDER", "UNKNOWN")
    assert "tombstone" not in report
    assert types(await venue.ask(order)) == ["NEW"]


async def test_status_gives_state_and_venue_time(venue: RunningVenue) -> None:
    order = new()
    await venue.ask(order)
    venue.clock.advance(seconds=5)
    [report] = await venue.ask(about(order, "STATUS"))
    assert (report["exec_type"], report["order_status"], report["last_sequence"]) == ("ORDER_STATUS", "NEW", 1)
    assert report["transact_time"] == instant(MONDAY + timedelta(seconds=5))
    assert (report["quantity"], report["price"], report["leaves_quantity"]) == (10, "1500.00", 10)


async def test_status_of_unknown_order_says_unknown(venue: RunningVenue) -> None:
    [report] = await venue.ask(about(new(), "STATUS"))
    assert (report["order_status"], report["last_sequence"]) == ("UNKNOWN", 0)
    assert (report["cum_quantity"], report["leaves_quantity"]) == (0, 0)


async def test_status_of_ended_order_comes_from_archive(venue: RunningVenue) -> None:
    order = new()
    await venue.ask(order, about(order, "CANCEL"))
    assert venue.gateway.venue.closed == {}
    [report] = await venue.ask(about(order, "STATUS"))
    assert (report["order_status"], report["last_sequence"]) == ("CANCELED", 2)


async def test_resend_gives_reports_from_sequence_on(venue: RunningVenue) -> None:
    order = new()
    first = of(await venue.ask(order, new(side="SELL", quantity=4), about(order, "CANCEL")), order)
    assert await venue.ask(about(order, "RESEND", from_sequence=2)) == first[1:]


@pytest.mark.parametrize("known", [True, False])
async def test_resend_of_nothing_answers_with_status(venue: RunningVenue, known: bool) -> None:
    order = new()
    if known:
        await venue.ask(order)
    [report] = await venue.ask(about(order, "RESEND", from_sequence=2))
    assert (report["exec_type"], report["last_sequence"]) == ("ORDER_STATUS", int(known))


async def test_order_read_after_expire_at_is_stale(venue: RunningVenue) -> None:
    exactly = new(expire_at=instant(MONDAY))
    assert types(await venue.ask(exactly)) == ["NEW"]
    [report] = await venue.ask(new(expire_at=instant(MONDAY - timedelta(microseconds=1))))
    assert (report["exec_type"], report["reason"]) == ("REJECTED", "STALE")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instrument_id": "NSE:NOPE"}, "UNKNOWN_INSTRUMENT"),
        ({"price": "1500.05"}, "PRICE_TICK"),
        ({"price": "1500.005"}, "PRICE_TICK"),
        ({"price": "1800.10"}, "PRICE_BAND"),
        ({"price": "1199.90"}, "PRICE_BAND"),
        ({"price": "0"}, "PRICE_BAND"),
        ({"quantity": 0}, "QUANTITY"),
        ({"quantity": -5}, "QUANTITY"),
        ({"quantity": 100001}, "QUANTITY"),
        ({"instrument_id": "NSE:LOTS", "price": "100.00", "quantity": 15}, "QUANTITY"),
        ({"side": "HOLD"}, "MALFORMED"),
        ({"order_type": "MARKET"}, "MALFORMED"),
        ({"price": 1500}, "MALFORMED"),
        ({"price": "-1"}, "MALFORMED"),
        ({"quantity": 1.5}, "MALFORMED"),
        ({"expire_at": "tomorrow"}, "MALFORMED"),
        ({"instrument_id": "\x00"}, "MALFORMED"),
    ],
)
async def test_refused_order_names_its_reason(venue: RunningVenue, changes: dict[str, object], reason: str) -> None:
    [report] = await venue.ask(new(**changes))
    assert (report["exec_type"], report["order_status"], report["reason"]) == ("REJECTED", "REJECTED", reason)
    assert (report["report_sequence"], report["cum_quantity"], report["leaves_quantity"]) == (1, 0, 0)
    assert report["text"]


@pytest.mark.parametrize("price", ["1200.00", "1800.00"])
async def test_prices_on_the_band_are_taken(venue: RunningVenue, price: str) -> None:
    assert types(await venue.ask(new(price=price))) == ["NEW"]


async def test_second_new_of_order_is_duplicate(venue: RunningVenue) -> None:
    order = new()
    await venue.ask(order)
    twin = new(order_id=order["order_id"])
    [report] = await venue.ask(twin)
    assert (report["exec_type"], report["reason"]) == ("REJECTED", "DUPLICATE_ORDER")
    assert (report["request_id"], report["order_status"], report["leaves_quantity"]) == (twin["request_id"], "NEW", 10)
    assert "report_sequence" not in report
    assert types(await venue.ask(about(order, "CANCEL"))) == ["CANCELED"]


async def test_ioc_remainder_is_canceled_at_once(venue: RunningVenue) -> None:
    await venue.ask(new(side="SELL", quantity=4))
    reports = [r for r in await venue.ask(new(time_in_force="IOC")) if r["side"] == "BUY"]
    assert types(reports) == ["NEW", "TRADE", "CANCELED"]
    assert (reports[-1]["reason"], reports[-1]["cum_quantity"], reports[-1]["leaves_quantity"]) == (
        "IOC_REMAINDER",
        4,
        0,
    )
    assert not venue.gateway.venue.live


async def test_fill_or_kill_fills_whole_or_not(venue: RunningVenue) -> None:
    await venue.ask(new(side="SELL", quantity=9))
    reports = await venue.ask(new(time_in_force="FOK"))
    assert types(reports) == ["NEW", "CANCELED"]
    reports = await venue.ask(new(time_in_force="FOK", quantity=9))
    assert types(reports) == ["NEW", "TRADE", "TRADE"]


async def test_own_resting_order_is_canceled_not_traded(venue: RunningVenue) -> None:
    own, other = new(account="A"), new(account="B")
    await venue.ask(own, other)
    reports = await venue.ask(new(account="A", side="SELL", quantity=10))
    assert types(of(reports, own)) == ["CANCELED"]
    assert of(reports, own)[0]["reason"] == "SELF_TRADE"
    assert types(of(reports, other)) == ["TRADE"]


async def test_every_report_echoes_its_requests_account(venue: RunningVenue) -> None:
    order, unknown = new(account="A"), new(account="B")
    reports = await venue.ask(
        order,
        about(order, "STATUS"),
        about(order, "REPLACE", quantity=5),
        about(order, "REPLACE", price="1500.05"),
        about(order, "CANCEL", side="?"),
        about(order, "CANCEL"),
        new(account="A", price="0"),
    )
    assert {report["account"] for report in reports} == {"A"}
    assert len(reports) == 7
    reports = await venue.ask(*(about(unknown, kind) for kind in ("STATUS", "REPLACE", "CANCEL")))
    assert [report["account"] for report in reports] == ["B"] * 3


async def test_fields_nobody_gave_are_left_out(venue: RunningVenue) -> None:
    [unknown, malformed] = await venue.ask(about(new(), "STATUS"), new(instrument_id=5, side="?", account=None))
    assert "side" not in unknown
    assert (malformed["reason"], malformed["venue"]) == ("MALFORMED", "XXXX")
    assert not {"side", "account", "instrument_id"} & set(malformed)


async def test_bad_entry_never_spoils_its_neighbours(venue: RunningVenue, database: str) -> None:
    good = new()
    bad = [None, 7, {}, {"kind": "NEW"}, new(request_id="no-uuid"), new(kind="DANCE"), new(order_id="\x00")]
    reports = await venue.ask(*bad, good, new(side="?"))
    assert [(r["exec_type"], r.get("reason")) for r in reports] == [("NEW", None), ("REJECTED", "MALFORMED")]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM parked").fetchone() == (len(bad),)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b'{"version": 2, "requests": [{}]}', b'{"version": 1, "requests": []}', b"[" * 100_000],
)
async def test_body_that_is_no_list_is_dead_lettered(venue: RunningVenue, body: bytes) -> None:
    assert (await venue.deliver(body)).error
    assert types(await venue.ask(new())) == ["NEW"]


async def test_more_than_two_hundred_entries_are_refused(venue: RunningVenue) -> None:
    verdict = await venue.deliver({"version": 1, "requests": [new(expire_at=FAR)] * 201})
    assert verdict.error == "requests must be a list of 1 to 200 entries"


async def test_reports_go_out_in_messages_of_two_hundred(venue: RunningVenue) -> None:
    for start in range(0, 500, 200):
        await venue.deliver({"version": 1, "requests": [new() for _ in range(start, min(start + 200, 500))]})
    await venue.gateway.settle()
    await venue.gateway.outbox.until_idle()
    assert sum(map(len, venue.bus.messages)) == 500
    assert max(map(len, venue.bus.messages)) <= 200
