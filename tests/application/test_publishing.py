"""Marks of what was sent: gathered and written together, and never before the sending."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from shared.application.publishing import Publisher
from shared.domain.ledger.changes import EffectKind
from shared.ports.books import Committed
from shared.ports.outbox import ExchangeMessage, PublishedEffect
from tests.support.broker import RecordingAudience, RecordingExchange
from tests.support.values import ALICE
from tests.support.waiting import eventually


class Marked:
    """`Outbox` and `SagaRecords`, as far as a publisher marks."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, frozenset[UUID]]] = []

    async def messages_sent(self, ids: set[UUID]) -> None:
        self.writes.append(("messages", frozenset(ids)))

    async def effects_sent(self, ids: set[UUID]) -> None:
        self.writes.append(("effects", frozenset(ids)))


class HangingAudience(RecordingAudience):
    """Takes effects once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def publish(self, effects: Sequence[PublishedEffect]) -> None:
        await self.let.wait()
        await super().publish(effects)


def a_commit() -> Committed:
    message = ExchangeMessage(uuid4(), "07", "{}")
    return Committed([PublishedEffect(ALICE, 1, EffectKind.ORDER, {})], [message], effects_of=[uuid4()])


async def test_marks_of_many_commits_are_written_together() -> None:
    marked, exchange = Marked(), RecordingExchange()
    publisher = Publisher(exchange, RecordingAudience(), marked, marked, gather_s=0.05)  # type: ignore[arg-type]
    commits = [a_commit() for _ in range(20)]
    await asyncio.gather(*(publisher.publish(commit, None) for commit in commits))  # type: ignore[arg-type]
    assert (len(exchange.sent), marked.writes) == (20, [])
    await eventually(lambda: len(marked.writes) == 2)
    written = dict(marked.writes)
    assert written["messages"] == {message.message_id for message in exchange.sent}
    assert written["effects"] == {each for commit in commits for each in commit.effects_of}


async def test_what_could_not_be_sent_is_not_marked() -> None:
    marked, exchange = Marked(), RecordingExchange(open=False)
    publisher = Publisher(exchange, RecordingAudience(), marked, marked, gather_s=0)  # type: ignore[arg-type]
    await publisher.publish(a_commit(), None)  # type: ignore[arg-type]
    assert [kind for kind, _ in marked.writes] == ["effects"]


async def test_a_hanging_push_service_holds_no_order_up() -> None:
    marked, exchange, audience = Marked(), RecordingExchange(), HangingAudience()
    publisher = Publisher(exchange, audience, marked, marked, gather_s=0)  # type: ignore[arg-type]
    commit = a_commit()
    async with asyncio.timeout(1):
        await publisher.publish(commit, None)  # type: ignore[arg-type]
    assert [kind for kind, _ in marked.writes] == ["messages"]
    audience.let.set()
    await eventually(lambda: marked.writes[1:] == [("effects", frozenset(commit.effects_of))])
