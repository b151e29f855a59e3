"""Orders in doubt, and the one decision that staff take."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.doubts import PostgresDoubts
from shared.adapters.postgres.replies import PostgresReplies
from shared.application.doubts import Doubts
from shared.contracts.doubts import ResolveDoubt
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError
from shared.ports.books import Committed
from tests.support.busy import BusyBroker
from tests.verify.world import RATE_CARDS

_OLGA, _OSCAR = uuid4(), uuid4()
_DECISION = ResolveDoubt(resolution="NOT_RECEIVED", reference="NSE ticket 4711", note="The exchange never had it")


class _Publisher:
    def __init__(self) -> None:
        self.published: list[Committed] = []

    async def publish(self, committed: Committed, sagas: Any) -> None:
        self.published.append(committed)


def _doubts(busy: BusyBroker, publisher: Any = None) -> Doubts:
    books = PostgresBooks(busy.database, RATE_CARDS)
    return Doubts(books, PostgresDoubts(busy.database), PostgresReplies(busy.database), publisher or _Publisher())


async def test_doubt_carries_its_evidence_and_hold(busy: BusyBroker) -> None:
    (doubt,), _ = await _doubts(busy).page(None, 50)
    assert doubt.order_id == str(busy.world.id("doubted"))
    assert doubt.evidence == {"exchange_has_reported": 0}
    assert Decimal(doubt.hold_open or "0") > 3 * 400


async def test_resolving_releases_the_hold_on_record(busy: BusyBroker) -> None:
    publisher = _Publisher()
    answered = await _doubts(busy, publisher).resolve(_OLGA, busy.world.id("doubted"), _DECISION, "k1", None)  # type: ignore[arg-type]
    body = json.loads(answered.body)
    assert (body["order_state"], body["resolved_by"], body["reference"]) == ("REJECTED", str(_OLGA), "NSE ticket 4711")
    assert publisher.published[0].effects
    assert await _doubts(busy).page(None, 50) == ([], None)
    assert busy.violations() == []


async def test_resolve_twins_decide_once(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    answers = await asyncio.gather(
        *(doubts.resolve(_OLGA, order_id, _DECISION, key, None) for key in ("a", "a", "b", "a"))  # type: ignore[arg-type]
    )
    assert len({answer.body for answer in answers}) == 1
    again = await doubts.resolve(_OLGA, order_id, _DECISION, "a", None)  # type: ignore[arg-type]
    assert (again.body, again.replayed) == (answers[0].body, True)
    assert busy.violations() == []


async def test_key_with_another_body_is_refused(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    other = _DECISION.model_copy(update={"note": "Something else"})
    with pytest.raises(IdempotencyKeyReusedError):
        await doubts.resolve(_OLGA, order_id, other, "k", None)  # type: ignore[arg-type]


async def test_second_opinion_comes_too_late(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    with pytest.raises(StateConflictError):
        await doubts.resolve(_OSCAR, order_id, _DECISION, "k", None)  # type: ignore[arg-type]


async def test_answer_lost_in_a_crash_is_given_again(busy: BusyBroker) -> None:
    doubts, order_id = _doubts(busy), busy.world.id("doubted")
    first = await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    busy.execute("DELETE FROM idempotent_answers")
    second = await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    assert second.body == first.body


async def test_only_orders_in_doubt_can_be_resolved(busy: BusyBroker) -> None:
    with pytest.raises(NotFoundError):
        await _doubts(busy).resolve(_OLGA, busy.world.id("working"), _DECISION, "k", None)  # type: ignore[arg-type]
