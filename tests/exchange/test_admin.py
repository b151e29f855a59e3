"""The admin API and the faults that it switches on."""

import asyncio
import uuid

import pytest
from psycopg import OperationalError

from simulators.exchange.store import Archive
from tests.exchange.support import RunningVenue, about, new, running, types
from tests.support.waiting import eventually


async def test_silent_venue_sends_after_silence_ends(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"silent": True})
        assert (await venue.deliver({"version": 1, "requests": [new()]})).error is None
        await venue.gateway.settle()
        assert venue.bus.reports == []
        await venue.admin.post("/faults", json={})
        assert types(await venue.sent()) == ["NEW"]


async def test_deaf_venue_leaves_requests_on_the_queue(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"deaf": True})
        delivery = asyncio.create_task(venue.deliver({"version": 1, "requests": [new()]}))
        await venue.gateway.settle()
        assert not delivery.done()
        assert venue.gateway.venue.position == 0
        await venue.admin.post("/faults", json={"deaf": False})
        assert (await delivery).error is None


async def test_duplicate_sends_every_report_twice(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"duplicate": True})
        [first, second] = await venue.ask(new())
        assert first == second


async def test_reorder_scatters_reports_over_messages(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"reorder": True, "silent": True})
        await venue.deliver({"version": 1, "requests": [new() for _ in range(50)]})
        await venue.gateway.settle()
        await venue.admin.post("/faults", json={"reorder": True})
        await venue.gateway.outbox.until_idle()
        assert [len(message) for message in venue.bus.messages] == [1] * 50
        ids = [report["exec_id"] for report in venue.bus.reports]
        assert ids != sorted(ids)
        assert len(set(ids)) == 50


async def test_rejected_share_is_simulated_and_final(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"reject_percent": 100})
        order = new()
        [report] = await venue.ask(order)
        assert (report["exec_type"], report["reason"]) == ("REJECTED", "SIMULATED")
        await venue.admin.post("/faults", json={"reject_percent": 0})
        assert await venue.ask(order) == [report]


async def test_dropped_reports_come_by_resend(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"drop_reports": 1})
        order = new()
        assert await venue.ask(order) == []
        assert (await venue.admin.get("/faults")).json()["drop_reports"] == 0
        assert types(await venue.ask(about(order, "RESEND", from_sequence=1))) == ["NEW"]


async def test_slow_venue_holds_reports_back(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"slow_ms": 100})
        start = asyncio.get_running_loop().time()
        await venue.ask(new())
        assert asyncio.get_running_loop().time() - start >= 0.1


@pytest.mark.parametrize("body", [{"slow_ms": -1}, {"reject_percent": 101}, {"loud": True}, [], "x"])
async def test_impossible_faults_are_refused(database: str, body: object) -> None:
    async with running(database) as venue:
        answer = await venue.admin.post("/faults", json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"]


@pytest.mark.parametrize("body", [{}, {"offset_s": 1, "market_time": "2026-11-23T10:00:00Z"}, {"offset_s": 1e12}])
async def test_impossible_clock_settings_are_refused(database: str, body: object) -> None:
    async with running(database) as venue:
        assert (await venue.admin.put("/clock", json=body)).status_code == 400


async def test_records_are_unavailable_without_database(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise OperationalError("the connection is lost")

    async with running(database) as venue:
        monkeypatch.setattr(Archive, "numbered", away)
        answer = await venue.admin.get("/changes", params={"after": "00:0"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


async def test_order_is_shown_live_and_ended(database: str) -> None:
    async with running(database) as venue:
        order = new()
        await venue.ask(order)
        assert await shown(venue, order) == ("NEW", 10, 1)
        live = (await venue.admin.get("/orders", params={"live": "true"})).json()["orders"]
        assert [found["order_id"] for found in live] == [order["order_id"]]
        await venue.ask(about(order, "CANCEL"))
        assert await shown(venue, order) == ("CANCELED", 0, 2)
        assert (await venue.admin.get("/orders", params={"live": "true"})).json() == {"orders": [], "next_after": None}
        assert (await venue.admin.get(f"/orders/{uuid.uuid4()}")).status_code == 404


async def shown(venue: RunningVenue, order: dict[str, str]) -> tuple[str, int, int]:
    answer = (await venue.admin.get(f"/orders/{order['order_id']}")).json()
    return answer["order"]["order_status"], answer["order"]["leaves_quantity"], len(answer["reports"])


async def test_executions_page_through_the_whole_trade_date(database: str) -> None:
    async with running(database) as venue:
        reports = await venue.ask(*[new(side=("BUY", "SELL")[n % 2]) for n in range(20)])
        trades = [r for r in reports if r["exec_type"] == "TRADE"]
        found, after = [], 0
        while True:
            page = (await venue.admin.get("/executions", params={"after": after, "limit": 7})).json()
            if not page["executions"]:
                break
            found += page["executions"]
            after = page["next_after"]
        assert found == trades
        assert len(found) == 20
        other = await venue.admin.get("/executions", params={"trade_date": "2026-11-22"})
        assert other.json() == {"executions": [], "next_after": None}


async def test_live_orders_page_through_all_once(database: str) -> None:
    async with running(database) as venue:
        orders = [new(price="1400.00") for _ in range(7)]
        await venue.ask(*orders)
        found: list[str] = []
        after = ""
        while after is not None:
            page = (await venue.admin.get("/orders", params={"live": "true", "after": after, "limit": 3})).json()
            found += [order["order_id"] for order in page["orders"]]
            after = page["next_after"]
        assert found == [order["order_id"] for order in orders]


@pytest.mark.parametrize("query", ["trade_date=today", "after=-1", "limit=x"])
async def test_malformed_queries_are_refused(database: str, query: str) -> None:
    async with running(database) as venue:
        assert (await venue.admin.get(f"/executions?{query}")).status_code == 400


async def test_book_shows_depth_and_last_price(database: str) -> None:
    async with running(database) as venue:
        await venue.ask(new(quantity=3), new(quantity=4), new(price="1499.00"), new(side="SELL", quantity=1))
        book = (await venue.admin.get("/books/NSE:INFY")).json()
        assert book["bids"] == [{"price": "1500.00", "quantity": 6}, {"price": "1499.00", "quantity": 10}]
        assert (book["asks"], book["last_price"], book["reference_price"]) == ([], "1500.00", "1500.00")
        assert (await venue.admin.get("/books/NSE:NOPE")).status_code == 404


async def test_status_counts_backlog_and_parked(database: str) -> None:
    async with running(database) as venue:
        await venue.admin.post("/faults", json={"silent": True})
        await venue.deliver({"version": 1, "requests": [new(), {}]})
        await venue.gateway.settle()
        status = (await venue.admin.get("/status")).json()
        assert (status["backlog"], status["live_orders"], status["parked"], status["ready"]) == (1, 1, 1, True)
        assert status["faults"]["silent"] is True
        await venue.admin.post("/faults", json={})
        await eventually(lambda: venue.gateway.outbox.backlog == 0)
