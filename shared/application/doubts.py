"""Orders in doubt: their evidence, and resolving one by what an operator has established with the exchange.

An order is closed once, on record. The decision, its evidence and the release of the hold are one commit. The answer
is a function of that record alone, so a repeated call gets the same bytes, also after a crash
between commit and answer.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.application.publishing import Publisher
from shared.contracts.common import amount
from shared.contracts.doubts import DoubtView, ResolveDoubt, ResolvedView
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError
from shared.domain.orders.events import Resolution, Resolved
from shared.domain.orders.order import OrderKey
from shared.domain.orders.transitions import IllegalTransitionError
from shared.ports.books import BookStore, DoubtSettled, Scope, Unit
from shared.ports.doubts import DoubtPosition, DoubtReader, DoubtRecord
from shared.ports.order_sagas import OrderSagas
from shared.ports.replies import Replies, StoredReply

_DONE = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a resolve call, byte for byte."""

    status: int
    body: str
    replayed: bool


class Doubts:
    """The use cases."""

    def __init__(self, books: BookStore, reader: DoubtReader, replies: Replies, publisher: Publisher) -> None:
        self._books = books
        self._reader = reader
        self._replies = replies
        self._publisher = publisher

    async def page(self, after: DoubtPosition | None, limit: int) -> tuple[Sequence[DoubtView], DoubtPosition | None]:
        """Open doubts, oldest first, and where the next page begins. Raises UnavailableError."""
        records = await self._reader.doubts(after, limit + 1)
        shown = records[:limit]
        end = DoubtPosition(shown[-1].since, shown[-1].order_id) if len(records) > limit else None
        return [_view(record) for record in shown], end

    async def resolve(
        self, operator: UUID, order_id: UUID, command: ResolveDoubt, key: str, sagas: OrderSagas
    ) -> Answered:
        """End the order and release its hold.

        Raises NotFoundError, StateConflictError (it is not in doubt, or was decided otherwise),
        IdempotencyKeyReusedError, UnavailableError.
        """
        fingerprint = hashlib.sha256(f"{order_id}{command.model_dump_json()}".encode()).digest()
        stored = await self._replies.reply(operator, key)
        if stored is not None:
            return _replayed(stored, fingerprint)
        doubt = await self._find(order_id)
        if doubt.resolved_at is None:
            await self._decide(doubt, operator, command, sagas)
            doubt = await self._find(order_id)
        if not _decided_so(doubt, operator, command):
            raise StateConflictError(
                "This order was already resolved with another decision: list the orders in doubt again",
                state=doubt.state,
            )
        reply = StoredReply(fingerprint, _DONE, _resolved(doubt).model_dump_json())
        kept = await self._replies.store_reply(operator, key, reply)
        return Answered(kept.status, kept.body, replayed=False)

    async def _find(self, order_id: UUID) -> DoubtRecord:
        doubt = await self._reader.doubt(order_id)
        if doubt is None:
            raise NotFoundError("This order is not in doubt: GET /api/operations/in-doubt lists those that are")
        return doubt

    async def _decide(self, doubt: DoubtRecord, operator: UUID, command: ResolveDoubt, sagas: OrderSagas) -> None:
        key = OrderKey(doubt.user_id, doubt.order_id)
        settled = DoubtSettled(*key, operator, command.resolution, command.reference)

        def decide(unit: Unit) -> None:
            if unit.books.orders[key].terminal:
                return  # a twin or a late report was faster; who decided is read afterwards
            unit.books.submit(key, Resolved(Resolution(command.resolution), command.note))
            unit.orders.doubts_settled.append(settled)

        try:
            _, committed = await self._books.work(Scope(orders=[key]), decide)
        except IllegalTransitionError as error:
            raise StateConflictError(
                f"This resolution does not fit the order: {error}", state=error.order.status
            ) from error
        await self._publisher.publish(committed, sagas)


def _replayed(stored: StoredReply, fingerprint: bytes) -> Answered:
    if stored.fingerprint != fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key was used with another body: send a new key for a new request"
        )
    return Answered(stored.status, stored.body, replayed=True)


def _decided_so(doubt: DoubtRecord, operator: UUID, command: ResolveDoubt) -> bool:
    recorded = (doubt.resolved_by, doubt.resolution, doubt.reference)
    return recorded == (operator, command.resolution, command.reference)


def _view(doubt: DoubtRecord) -> DoubtView:
    asset, is_open = doubt.hold_asset, doubt.hold_open
    return DoubtView.of(doubt, hold_open=None if asset is None or is_open is None else amount(asset, is_open))


def _resolved(doubt: DoubtRecord) -> ResolvedView:
    return ResolvedView.of(doubt, order_state=doubt.state)
