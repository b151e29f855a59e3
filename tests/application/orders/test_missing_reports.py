"""Reports that never arrived are found in the venue's records, lane by lane, and asked for by their numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import orjson
import psycopg
import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.missing_reports import PostgresLanePositions
from shared.application.orders.missing_reports import MissingReports
from shared.contracts.exchange_requests import LANES, lane_of
from shared.domain.errors import UnavailableError
from shared.domain.orders.order import OrderKey, Owner, State
from shared.ports.missing_reports import ChangedOrders, IssuedReports
from tests.support.broker import Broker, fill, report
from tests.support.values import ALICE, BOB

INFY = lane_of("NSE:INFY")


@dataclass
class Records:
    """The venue's reports in the order of their positions, from 1 on; all are INFY's."""

    reports: list[IssuedReports] = field(default_factory=list)
    most: int = 1000
    asked: list[Mapping[str, int]] = field(default_factory=list)

    def issue(self, key: OrderKey, number: int) -> None:
        self.reports.append(IssuedReports(key, number))

    async def changes(self, positions: Mapping[str, int], settled: timedelta) -> ChangedOrders:
        """See `VenueChanges.changes`."""
        self.asked.append(positions)
        start = min(positions.values())
        page = self.reports[start : start + self.most]
        newest = {each.key: each for place, each in enumerate(page, start + 1) if place > positions[INFY]}
        reached = {lane: max(position, start + len(page)) for lane, position in positions.items()}
        return ChangedOrders(reached, list(newest.values()), len(page) == self.most)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def finder(broker: Broker, database: Database, records: Records) -> MissingReports:
    lanes = PostgresLanePositions(database)
    return MissingReports(broker.books, broker.publisher, lanes, records, broker.timing)


def positions(broker: Broker) -> dict[str, int]:
    return dict(broker.rows("SELECT lane, position FROM exchange_lanes"))


async def test_lost_last_fill_is_asked_for_by_number(broker: Broker, finder: MissingReports, records: Records) -> None:
    _, [key] = await broker.submitted()
    await broker.receive(report(key, report_sequence=1))
    records.issue(key, 1)
    records.issue(key, 2)

    assert await finder.find(broker.sagas) == 1
    await broker.sweep.run(broker.sagas)
    assert (broker.sagas.recovering, (await broker.order(key)).owner) == ([key], Owner.RECOVERY)
    await broker.recovery.ask(key, broker.sagas)
    asked = [request for message in broker.exchange.sent for request in orjson.loads(message.body)["requests"]]
    assert [request["from_sequence"] for request in asked if request["kind"] == "RESEND"] == [2]

    await broker.receive(fill(key, report_sequence=2))
    assert (await broker.order(key)).state is State.FILLED


async def test_reports_that_arrived_move_positions_alone(
    broker: Broker, finder: MissingReports, records: Records
) -> None:
    _, [resting, filled] = await broker.submitted(2)
    await broker.receive(report(resting, report_sequence=1), report(filled, report_sequence=1))
    await broker.receive(fill(filled, report_sequence=2))
    for key, number in ((resting, 1), (filled, 1), (filled, 2)):
        records.issue(key, number)
    before = await broker.order(resting)

    assert await finder.find(broker.sagas) == 0
    assert await broker.order(resting) == before
    assert len(positions(broker)) == LANES
    assert set(positions(broker).values()) == {3}
    moved = broker.value("SELECT max(moved_at) FROM exchange_lanes")
    assert await finder.find(broker.sagas) == 0
    assert broker.value("SELECT max(moved_at) FROM exchange_lanes") == moved


async def test_positions_wait_for_everything_found(broker: Broker, finder: MissingReports, records: Records) -> None:
    """With one user's row locked the others' gaps are opened; the position stays, so the next round finds the rest."""
    _, [locked] = await broker.submitted()
    _, others = await broker.submitted(101, user_id=BOB)
    for key in (locked, *others):
        records.issue(key, 1)
    with psycopg.connect(broker.url) as connection:
        connection.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (ALICE,))
        with pytest.raises(UnavailableError):
            await finder.find(broker.sagas)
        assert positions(broker) == {}
    assert await finder.find(broker.sagas) > 0
    assert {(await broker.order(key)).missing_reports for key in (locked, *others)} == {"1"}
    assert positions(broker)[INFY] == 102


async def test_pages_and_groups_find_every_order(broker: Broker, finder: MissingReports, records: Records) -> None:
    _, keys = await broker.submitted(130)
    for key in keys:
        records.issue(key, 1)
    records.most = 120
    assert await finder.find(broker.sagas) == 130
    assert [asked[INFY] for asked in records.asked] == [0, 120]
    assert positions(broker)[INFY] == 130


async def test_end_that_overtakes_a_fill_waits_for_it(broker: Broker) -> None:
    _, [key] = await broker.submitted()
    end = report(key, "CANCELED", order_status="CANCELED", cum_quantity=4, leaves_quantity=0, report_sequence=3)
    await broker.receive(report(key, report_sequence=1), end)
    order = await broker.order(key)
    assert (order.missing_reports, order.venue_sequence, order.state) == ("2", 3, State.NEW)
    await broker.receive(fill(key, 4, cum=4, report_sequence=2))
    order = await broker.order(key)
    assert (order.missing_reports, order.venue_sequence, order.state) == ("", 3, State.CANCELED)


@pytest.mark.parametrize("status", ["PARTIALLY_FILLED", "CANCELED"])
async def test_status_names_reports_that_never_came(broker: Broker, status: str) -> None:
    _, [key] = await broker.submitted()
    await broker.receive(report(key, report_sequence=1))
    await broker.receive(report(key, "ORDER_STATUS", order_status=status, cum_quantity=4, last_sequence=3))
    order = await broker.order(key)
    assert (order.missing_reports, order.has_gap, order.owner) == ("2-3", True, Owner.VENUE)


async def test_fill_booked_before_numbers_were_kept_is_ticked_off(broker: Broker) -> None:
    """An order of an older data folder has all of its reports sent again; none is booked twice, each counts."""
    _, [key] = await broker.submitted()
    known = fill(key, 4, cum=4)
    await broker.receive(report(key), known)
    await broker.receive(fill(key, 2, cum=6, report_sequence=3))
    assert (await broker.order(key)).missing_reports == "1-2"
    await broker.receive(report(key, report_sequence=1), known | {"report_sequence": 2})
    order = await broker.order(key)
    assert (order.missing_reports, order.filled_quantity, order.has_gap) == ("", 6, False)
