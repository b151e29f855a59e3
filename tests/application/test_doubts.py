"""Orders in doubt, and the one decision that staff take."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.doubts import PostgresDoubts
from shared.adapters.postgres.replies import PostgresReplies
from shared.application.doubts import Answered, Doubts
from shared.contracts.doubts import ResolveDoubt
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError
from shared.domain.orders.events import Acknowledged, Deadlines, Resolution
from shared.domain.orders.order import OrderKey
from shared.ports.books import Committed, DoubtSettled, Scope, Unit
from shared.ports.reconciliation import VenueOrder, VenueRecords
from tests.fakes.reconciliation import MemoryVenue
from tests.support.busy import BusyBroker
from tests.verify.world import RATE_CARDS

_OLGA, _OSCAR = uuid4(), uuid4()
_ENGINE: Any = None
_DECISION = ResolveDoubt(
    resolution=Resolution.NOT_RECEIVED, reference="NSE ticket 4711", note="The exchange never had it"
)


class _Publisher:
    def __init__(self) -> None:
        self.published: list[Committed] = []

    async def publish(self, committed: Committed, sagas: Any) -> None:
        self.published.append(committed)


def _doubts(busy: BusyBroker, publisher: Any = None, venue: VenueRecords | None = None) -> Doubts:
    books = PostgresBooks(busy.database, RATE_CARDS)
    readers = PostgresDoubts(busy.database), PostgresReplies(busy.database)
    return Doubts(books, *readers, publisher or _Publisher(), venue or MemoryVenue())


async def _answer(busy: BusyBroker, key: OrderKey) -> None:
    """The exchange's acknowledgement comes after all."""
    later = datetime.now(UTC) + timedelta(hours=1)

    def acknowledge(unit: Unit) -> None:
        unit.books.submit(key, Acknowledged("X1", 0, Deadlines(venue=later, gap=later)))

    await PostgresBooks(busy.database, RATE_CARDS).work(Scope(orders=[key]), acknowledge)


def _decision(resolution: str, **changes: str) -> ResolveDoubt:
    return ResolveDoubt.model_validate(_DECISION.model_dump() | {"resolution": Resolution(resolution)} | changes)


async def test_doubt_carries_its_evidence_and_hold(busy: BusyBroker) -> None:
    (doubt,), _ = await _doubts(busy).open(None, 50)
    assert await _doubts(busy).get(busy.world.id("doubted")) == doubt
    assert doubt.order_id == str(busy.world.id("doubted"))
    assert doubt.evidence == {"exchange_has_reported": 0}
    assert Decimal(doubt.hold_open or "0") > 3 * 400


async def test_resolving_releases_the_hold_on_record(busy: BusyBroker) -> None:
    publisher = _Publisher()
    answered = await _doubts(busy, publisher).resolve(_OLGA, busy.world.id("doubted"), _DECISION, "k1", _ENGINE)
    body = json.loads(answered.body)
    assert (body["order_state"], body["resolved_by"], body["reference"]) == ("REJECTED", str(_OLGA), "NSE ticket 4711")
    assert publisher.published[0].effects
    assert await _doubts(busy).open(None, 50) == ([], None)
    assert busy.violations() == []


async def test_resolve_twins_decide_once(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    answers = await asyncio.gather(
        *(doubts.resolve(_OLGA, order_id, _DECISION, key, _ENGINE) for key in ("a", "a", "b", "a"))
    )
    assert len({answer.body for answer in answers}) == 1
    again = await doubts.resolve(_OLGA, order_id, _DECISION, "a", _ENGINE)
    assert (again.body, again.replayed) == (answers[0].body, True)
    assert busy.violations() == []


async def test_key_with_another_body_is_refused(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    await doubts.resolve(_OLGA, order_id, _DECISION, "k", _ENGINE)
    other = _DECISION.model_copy(update={"note": "Something else"})
    with pytest.raises(IdempotencyKeyReusedError):
        await doubts.resolve(_OLGA, order_id, other, "k", _ENGINE)


async def test_same_decision_of_another_gets_the_first_answer(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    first = await doubts.resolve(_OLGA, order_id, _DECISION, "k", _ENGINE)
    agreed = _decision("NOT_RECEIVED", reference="My own call")
    assert (await doubts.resolve(_OSCAR, order_id, agreed, "k", _ENGINE)).body == first.body
    with pytest.raises(StateConflictError, match=f"{_OLGA} has closed this order as NOT_RECEIVED: NSE ticket 4711"):
        await doubts.resolve(_OSCAR, order_id, _decision("CANCELED"), "k2", _ENGINE)


async def test_closed_doubts_say_who_decided_and_why(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    assert await doubts.closed(None, 50) == ([], None)
    await doubts.resolve(_OLGA, order_id, _DECISION, "k", _ENGINE)
    (closed,), _ = await doubts.closed(None, 1)
    assert await doubts.get(order_id) == closed
    assert (closed.resolution, closed.resolved_by, closed.reference) == ("NOT_RECEIVED", str(_OLGA), "NSE ticket 4711")
    assert (closed.venue_consulted, closed.venue_status, closed.hold_open) == (True, None, "0.00")


async def test_settlement_on_record_is_never_overwritten(busy: BusyBroker) -> None:
    doubts, key = _doubts(busy), busy.world.orders["doubted"]
    await doubts.resolve(_OLGA, key.order_id, _DECISION, "k", _ENGINE)
    other = DoubtSettled(*key, _OSCAR, Resolution.CANCELED, "another", venue_consulted=False, venue_status="CANCELED")
    books = PostgresBooks(busy.database, RATE_CARDS)
    await books.work(Scope(orders=[key]), lambda unit: unit.orders.doubts_settled.append(other))
    closed = await doubts.get(key.order_id)
    assert (closed.resolution, closed.resolved_by, closed.venue_consulted) == ("NOT_RECEIVED", str(_OLGA), True)


async def test_answer_of_the_exchange_is_named_as_its_own(busy: BusyBroker) -> None:
    doubts, key = _doubts(busy), busy.world.orders["doubted"]
    await _answer(busy, key)
    (closed,), _ = await doubts.closed(None, 50)
    assert (closed.resolution, closed.resolved_by, closed.reference) == ("ANSWERED_BY_EXCHANGE", None, None)
    with pytest.raises(StateConflictError, match=r"The exchange has answered by itself.*the order is NEW"):
        await doubts.resolve(_OLGA, key.order_id, _DECISION, "k", _ENGINE)
    with pytest.raises(StateConflictError, match="not in doubt any more"):
        await doubts.ask(_OLGA, key.order_id, "k", _ENGINE)


@pytest.mark.parametrize(
    ("resolution", "venue", "words"),
    [
        ("NOT_RECEIVED", VenueOrder("NEW", 0), "the venue has taken the order, and it is NEW there"),
        ("NOT_RECEIVED", VenueOrder("CANCELED", 0), "the venue has taken the order, and it is CANCELED there"),
        ("CANCELED", None, "the venue has never taken the order"),
        ("CANCELED", VenueOrder("REJECTED", 0), "the venue has never taken the order"),
        ("CANCELED", VenueOrder("PARTIALLY_FILLED", 1), "the order is PARTIALLY_FILLED at the venue"),
        ("CANCELED", VenueOrder("FILLED", 3), "the order is FILLED at the venue"),
        ("CANCELED", VenueOrder("CANCELED", 2), "2 are executed there and 0 are booked: have it resend first"),
    ],
)
async def test_decision_that_the_venue_contradicts_is_refused(
    busy: BusyBroker, resolution: str, venue: VenueOrder | None, words: str
) -> None:
    order_id = busy.world.id("doubted")
    doubts = _doubts(busy, venue=MemoryVenue(orders={} if venue is None else {order_id: venue}))
    with pytest.raises(StateConflictError, match=f"The venue's records contradict this: {words}"):
        await doubts.resolve(_OLGA, order_id, _decision(resolution), "k", _ENGINE)
    assert len((await doubts.open(None, 50))[0]) == 1
    assert busy.violations() == []


@pytest.mark.parametrize(
    ("resolution", "venue", "recorded"),
    [
        ("NOT_RECEIVED", MemoryVenue(), (True, None)),
        ("NOT_RECEIVED", VenueOrder("TOMBSTONE", 0), (True, "TOMBSTONE")),
        ("NOT_RECEIVED", VenueOrder("REJECTED", 0), (True, "REJECTED")),
        ("CANCELED", VenueOrder("CANCELED", 0), (True, "CANCELED")),
        ("CANCELED", VenueOrder("EXPIRED", 0), (True, "EXPIRED")),
        ("CANCELED", MemoryVenue(away=True), (False, None)),
    ],
)
async def test_what_the_venue_said_is_on_record(
    busy: BusyBroker, resolution: str, venue: VenueOrder | MemoryVenue, recorded: tuple[bool, str | None]
) -> None:
    order_id = busy.world.id("doubted")
    records = venue if isinstance(venue, MemoryVenue) else MemoryVenue(orders={order_id: venue})
    answered = await _doubts(busy, venue=records).resolve(_OLGA, order_id, _decision(resolution), "k", _ENGINE)
    body = json.loads(answered.body)
    assert (body["venue_consulted"], body["venue_status"]) == recorded
    assert busy.violations() == []


async def test_asking_again_sends_the_same_questions_once(busy: BusyBroker) -> None:
    publisher = _Publisher()
    doubts, order_id = _doubts(busy, publisher), busy.world.id("doubted")
    asked = await doubts.ask(_OLGA, order_id, "k", _ENGINE)
    assert (asked.status, json.loads(asked.body)["requests"]) == (202, ["STATUS", "RESEND"])
    assert (await doubts.ask(_OLGA, order_id, "k", _ENGINE)) == Answered(202, asked.body, replayed=True)
    busy.execute("DELETE FROM idempotent_answers")
    await doubts.ask(_OLGA, order_id, "k", _ENGINE)
    first, again = (committed.outbox for committed in publisher.published)
    assert [message.message_id for message in first] == [message.message_id for message in again]
    with pytest.raises(IdempotencyKeyReusedError):
        await doubts.resolve(_OLGA, order_id, _DECISION, "k", _ENGINE)


@pytest.mark.parametrize("reference", ["", " ", "\u3000\u00a0", "a\nb", "a\u202eb"])
def test_blank_or_hidden_reference_is_refused(reference: str) -> None:
    with pytest.raises(ValidationError, match="one line that is not blank"):
        _decision("NOT_RECEIVED", reference=reference)


async def test_answer_lost_in_a_crash_is_given_again(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    first = await doubts.resolve(_OLGA, order_id, _DECISION, "k", _ENGINE)
    busy.execute("DELETE FROM idempotent_answers")
    second = await doubts.resolve(_OLGA, order_id, _DECISION, "k", _ENGINE)
    assert second.body == first.body


async def test_only_orders_in_doubt_can_be_resolved(busy: BusyBroker) -> None:
    with pytest.raises(NotFoundError):
        await _doubts(busy).resolve(_OLGA, busy.world.id("working"), _DECISION, "k", _ENGINE)
