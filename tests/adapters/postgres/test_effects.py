"""Effects are kept as facts, and shown again exactly as they were published."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.notifications import PostgresStreams
from shared.domain.ledger.changes import EffectKind
from shared.domain.orders.events import Acknowledged, CancelRequested, Doubted, Ended, HandedToRecovery, Refused
from shared.domain.orders.order import State
from shared.domain.orders.rejects import RejectCode
from shared.ports.outbox import PublishedEffect
from tests.support.broker import Broker, fill, report
from tests.support.values import ALICE, DEADLINES


@pytest.fixture
def published(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> list[PublishedEffect]:
    """What every commit from now on publishes."""
    effects: list[PublishedEffect] = []
    work = broker.books.work

    async def recorded(*arguments: Any, **named: Any) -> Any:
        result, committed = await work(*arguments, **named)
        effects.extend(committed.effects)
        return result, committed

    monkeypatch.setattr(broker.books, "work", recorded)
    return effects


async def test_stored_facts_show_what_was_published(
    broker: Broker, database: Database, published: list[PublishedEffect]
) -> None:
    """Of orders filled in parts, canceled, refused and in doubt, with and without a name of the client's."""
    _, (filled, canceled, doubted) = await broker.submitted(3, tag="mine")
    (refused,) = await broker.place(client_order_id="my-order")
    later = datetime.now(UTC) + timedelta(seconds=5)
    await broker.change(refused, Refused(RejectCode.INSUFFICIENT_FUNDS, "too little"))
    await broker.change(canceled, Acknowledged("X1", 0, DEADLINES), CancelRequested(uuid4(), later))
    await broker.change(canceled, Ended(State.CANCELED, 0, "as requested", DEADLINES))
    await broker.change(doubted, HandedToRecovery(later), Doubted(later))
    await broker.receive(report(filled), fill(filled, quantity=4, cum=4), fill(filled, quantity=6, cum=10))
    page = await PostgresStreams(database).page(ALICE, published[0].sequence - 1, 1_000)
    stored = [PublishedEffect(ALICE, each.sequence, each.kind, each.payload) for each in page.effects]
    assert stored == published
    assert {each.kind for each in stored} == set(EffectKind)
    assert {each.payload.get("status") for each in stored} >= {"PENDING_CANCEL", "CANCELED", "REJECTED", "FILLED"}


async def test_a_page_begins_and_ends_within_a_commit(broker: Broker, database: Database) -> None:
    await broker.place(5)
    _, (key,) = await broker.submitted()
    await broker.receive(report(key), fill(key))
    streams = PostgresStreams(database)
    whole = (await streams.page(ALICE, 0, 1_000)).effects
    assert [each.sequence for each in whole] == list(range(1, len(whole) + 1))
    for after in range(len(whole)):
        assert (await streams.page(ALICE, after, 2)).effects == whole[after : after + 2]
