"""`GET /changes`: the newest report number of every order that changed since a position, by lane."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from simulators.exchange.lanes import LANES, lane_name, lane_of
from tests.exchange.support import RunningVenue, about, new, running

PAGE = Path(__file__).parents[2] / "docs/reference/exchange-messages.md"
INFY = lane_of("NSE:INFY")


async def ask(venue: RunningVenue, after: dict[str, int], **parameters: Any) -> dict[str, Any]:
    query = ",".join(f"{lane}:{position}" for lane, position in after.items())
    answer = await venue.admin.get("/changes", params={"after": query, **parameters})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def everything() -> dict[str, int]:
    return {lane_name(number): 0 for number in range(LANES)}


def numbers(answer: dict[str, Any]) -> dict[str, int]:
    return {order["order_id"]: order["last_sequence"] for order in answer["orders"]}


async def test_changed_orders_are_named_once_with_newest_number(database: str) -> None:
    async with running(database) as venue:
        filled, resting, ended = new(), new(price="1400.00"), new(price="1300.00")
        await venue.ask(filled, resting, ended, new(side="SELL", quantity=4), new(side="SELL", quantity=6))
        await venue.ask(about(ended, "CANCEL"), about(resting, "STATUS"))
        answer = await ask(venue, everything())
        sold = {
            order_id: 2
            for order_id in numbers(answer)
            if order_id not in {o["order_id"] for o in (filled, resting, ended)}
        }
        assert numbers(answer) == {filled["order_id"]: 3, resting["order_id"]: 1, ended["order_id"]: 2} | sold
        assert len(sold) == 2
        [found] = [order for order in answer["orders"] if order["order_id"] == filled["order_id"]]
        assert found == {"lane": INFY, "order_id": filled["order_id"], "account": filled["account"], "last_sequence": 3}
        assert (await ask(venue, answer["positions"]))["orders"] == []
        await venue.ask(about(resting, "CANCEL"))
        assert numbers(await ask(venue, answer["positions"])) == {resting["order_id"]: 2}


async def test_lanes_keep_positions_of_their_own(database: str) -> None:
    async with running(database) as venue:
        infy, lots = new(), new(instrument_id="NSE:LOTS", price="100.00", quantity=50)
        await venue.ask(infy, lots)
        other = lane_of("NSE:LOTS")
        first = await ask(venue, {INFY: 0})
        assert (numbers(first), set(first["positions"])) == ({infy["order_id"]: 1}, {INFY})
        assert numbers(await ask(venue, first["positions"] | {other: 0})) == {lots["order_id"]: 1}


async def test_pages_together_name_every_change(database: str) -> None:
    async with running(database) as venue:
        orders = [new(price="1400.00") for _ in range(20)]
        await venue.ask(*orders)
        await venue.ask(*(about(order, "CANCEL") for order in orders[:10]))
        newest: dict[str, int] = {}
        positions, pages, more = everything(), 0, True
        while more:
            answer = await ask(venue, positions, limit=7)
            assert len(answer["orders"]) <= 7
            newest |= numbers(answer)
            positions, more, pages = answer["positions"], answer["more"], pages + 1
        assert newest == {order["order_id"]: 2 if order in orders[:10] else 1 for order in orders}
        assert pages == 5


async def test_young_reports_are_left_for_next_time(database: str) -> None:
    async with running(database) as venue:
        order = new()
        await venue.ask(order)
        venue.clock.advance(seconds=5)
        await venue.ask(about(order, "CANCEL"))
        answer = await ask(venue, {INFY: 0}, settled_s=5)
        assert numbers(answer) == {order["order_id"]: 1}
        venue.clock.advance(seconds=5)
        assert numbers(await ask(venue, answer["positions"], settled_s=5)) == {order["order_id"]: 2}


async def test_positions_stand_after_a_kill(database: str) -> None:
    """Cut off with reports that were never sent, the venue names the same changes at the same positions."""
    async with running(database, graceful=False) as venue:
        await venue.admin.post("/faults", json={"silent": True})
        await venue.deliver({"version": 1, "requests": [new(), new()]})
        await venue.gateway.settle()
        before = await ask(venue, everything())
    async with running(database) as venue:
        assert await ask(venue, everything()) == before
        later = new()
        await venue.ask(later)
        assert numbers(await ask(venue, before["positions"])) == {later["order_id"]: 1}


@pytest.mark.parametrize("after", ["", "64:0", "0:0", "00", "00:-1", "00:x", "00:0,00:1", "00:" + "9" * 19])
async def test_positions_that_cannot_be_are_refused(database: str, after: str) -> None:
    async with running(database) as venue:
        answer = await venue.admin.get("/changes", params={"after": after})
        assert answer.status_code == 400
        assert "after" in answer.text


async def test_documented_answer_has_the_real_shape(database: str) -> None:
    text = PAGE.read_text()
    query = re.search(r"GET /changes\?after=(\S+?)&", text)
    assert query
    documented = json.loads(text.split("GET /changes?after=", 1)[1].split("\n\n", 1)[1].split("\n\n", 1)[0])
    async with running(database) as venue:
        await venue.ask(new())
        real = await ask(venue, dict.fromkeys(documented["positions"], 0) | {INFY: 0})
    assert documented.keys() == real.keys()
    assert [lane.split(":")[0] for lane in query[1].split(",")] == list(documented["positions"])
    assert {tuple(order) for order in documented["orders"]} == {tuple(order) for order in real["orders"]}
