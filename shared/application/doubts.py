"""Orders in doubt: their evidence, asking the exchange again, and resolving one by what staff have established.

An order is closed once, on record: the decision, its evidence and the release of the hold are one commit. The answer
is a function of that record alone, so a repeated call gets the same bytes, also after a crash between commit and
answer.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from pydantic import BaseModel

from shared.application.orders.recovery import questions
from shared.application.publishing import Publisher
from shared.contracts.common import amount
from shared.contracts.doubts import AskedView, DoubtView, ResolveDoubt, ResolvedView
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError, UnavailableError
from shared.domain.orders.events import Closing, Resolution, Resolved
from shared.domain.orders.order import Order, OrderKey
from shared.domain.orders.transitions import IllegalTransitionError
from shared.domain.times import wire_time
from shared.ports.books import BookStore, DoubtSettled, Scope, Unit
from shared.ports.doubts import DoubtPosition, DoubtReader, DoubtRecord
from shared.ports.order_sagas import OrderSagas
from shared.ports.reconciliation import VenueOrder, VenueRecords, VenueStatus
from shared.ports.replies import Replies, StoredReply

_VENUE_WAIT_S: Final = 3.0
_NEVER_TAKEN: Final = frozenset({VenueStatus.REJECTED, VenueStatus.TOMBSTONE})
_GONE: Final = frozenset({VenueStatus.CANCELED, VenueStatus.EXPIRED})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a call that changes something, byte for byte."""

    status: int
    body: str
    replayed: bool


class _Consulted(NamedTuple):
    """What the venue's records say: None when it does not know the order."""

    order: VenueOrder | None


class Doubts:
    """The use cases."""

    def __init__(
        self,
        books: BookStore,
        reader: DoubtReader,
        replies: Replies,
        publisher: Publisher,
        venue: VenueRecords | None,
    ) -> None:
        self._books = books
        self._reader = reader
        self._replies = replies
        self._publisher = publisher
        self._venue = venue

    async def open(self, after: DoubtPosition | None, limit: int) -> tuple[Sequence[DoubtView], DoubtPosition | None]:
        """Open doubts, oldest first, and where the next page begins. Raises UnavailableError."""
        records = await self._reader.open(after, limit + 1)
        more = len(records) > limit
        end = DoubtPosition(records[limit - 1].since, records[limit - 1].order_id) if more else None
        return [_view(record) for record in records[:limit]], end

    async def closed(self, after: DoubtPosition | None, limit: int) -> tuple[Sequence[DoubtView], DoubtPosition | None]:
        """Closed ones, the last closed first, and where the next page begins. Raises UnavailableError."""
        records = await self._reader.closed(after, limit + 1)
        last = records[limit - 1] if len(records) > limit else None
        end = None if last is None or last.resolved_at is None else DoubtPosition(last.resolved_at, last.order_id)
        return [_view(record) for record in records[:limit]], end

    async def get(self, order_id: UUID) -> DoubtView:
        """One order that is in doubt, or was. Raises NotFoundError, UnavailableError."""
        return _view(await self._find(order_id))

    async def ask(self, operator: UUID, order_id: UUID, key: str, sagas: OrderSagas) -> Answered:
        """Ask the exchange for the order's status and for all its reports once more.

        Raises NotFoundError, StateConflictError (it is not in doubt any more), IdempotencyKeyReusedError,
        UnavailableError.
        """
        fingerprint = hashlib.sha256(f"ask/{order_id}".encode()).digest()
        stored = await self._replies.reply(operator, key)
        if stored is not None:
            return _replayed(stored, fingerprint)
        doubt = await self._find(order_id)
        order_key = OrderKey(doubt.user_id, doubt.order_id)

        def ask(unit: Unit) -> AskedView:
            order = unit.books.orders[order_key]
            if not order.in_doubt:
                raise StateConflictError("The order is not in doubt any more", state=order.status)
            asked = questions(order, f"{operator}/{key}")
            for question in asked:
                unit.books.ask(question)
            kinds = [question.kind.value for question in asked]
            return AskedView(order_id=str(order_id), asked_at=wire_time(unit.books.at), requests=kinds)

        view, committed = await self._books.work(Scope(orders=[order_key]), ask)
        await self._publisher.publish(committed, sagas)
        return await self._keep(operator, key, fingerprint, 202, view)

    async def resolve(
        self, operator: UUID, order_id: UUID, command: ResolveDoubt, key: str, sagas: OrderSagas
    ) -> Answered:
        """End the order and release its hold; whoever decides the same later gets the first decision's answer.

        Raises NotFoundError, StateConflictError (it was closed otherwise, or what the books or the venue's records
        say contradicts the decision), IdempotencyKeyReusedError, UnavailableError.
        """
        fingerprint = hashlib.sha256(f"{order_id}{command.model_dump_json()}".encode()).digest()
        stored = await self._replies.reply(operator, key)
        if stored is not None:
            return _replayed(stored, fingerprint)
        doubt = await self._find(order_id)
        if doubt.resolved_at is None:
            await self._decide(doubt, operator, command, sagas)
            doubt = await self._find(order_id)
        _require_same_decision(doubt, command)
        return await self._keep(operator, key, fingerprint, 200, ResolvedView.of(doubt, order_state=doubt.state))

    async def _find(self, order_id: UUID) -> DoubtRecord:
        doubt = await self._reader.doubt(order_id)
        if doubt is None:
            raise NotFoundError("This order is not in doubt: GET /api/operations/in-doubt lists those that are")
        return doubt

    async def _decide(self, doubt: DoubtRecord, operator: UUID, command: ResolveDoubt, sagas: OrderSagas) -> None:
        key = OrderKey(doubt.user_id, doubt.order_id)
        consulted = await self._consult(doubt.order_id)
        venue = None if consulted is None else consulted.order
        settled = DoubtSettled(
            *key,
            operator,
            command.resolution,
            command.reference,
            venue_consulted=consulted is not None,
            venue_status=None if venue is None else venue.status,
        )

        def decide(unit: Unit) -> None:
            order = unit.books.orders[key]
            if not order.in_doubt:
                return  # a twin or a late report was faster; how it was closed is read afterwards
            contradiction = None if consulted is None else _contradiction(command.resolution, venue, order)
            if contradiction is not None:
                raise StateConflictError(f"The venue's records contradict this: {contradiction}", state=order.status)
            unit.books.submit(key, Resolved(command.resolution, command.note))
            unit.orders.doubts_settled.append(settled)

        try:
            _, committed = await self._books.work(Scope(orders=[key]), decide)
        except IllegalTransitionError as error:
            message = f"The books contradict {command.resolution}: {error.why or 'the order has ended'}"
            raise StateConflictError(message, state=error.order.status) from error
        await self._publisher.publish(committed, sagas)

    async def _consult(self, order_id: UUID) -> _Consulted | None:
        """What the venue's records say of the order; None when they cannot be read now."""
        if self._venue is None:
            return None
        try:
            async with asyncio.timeout(_VENUE_WAIT_S):
                return _Consulted(await self._venue.order(order_id))
        except (UnavailableError, TimeoutError) as error:
            _log.warning(
                "the venue was not consulted about an order in doubt", order_id=str(order_id), reason=str(error)
            )
            return None

    async def _keep(self, operator: UUID, key: str, fingerprint: bytes, status: int, view: BaseModel) -> Answered:
        reply = StoredReply(fingerprint, status, view.model_dump_json())
        kept = await self._replies.store_reply(operator, key, reply)
        return Answered(kept.status, kept.body, replayed=False)


def _replayed(stored: StoredReply, fingerprint: bytes) -> Answered:
    if stored.fingerprint != fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key was used with another body: send a new key for a new request"
        )
    return Answered(stored.status, stored.body, replayed=True)


def _require_same_decision(doubt: DoubtRecord, command: ResolveDoubt) -> None:
    if doubt.resolution is Closing(command.resolution):
        return
    if doubt.resolution is None:
        message = "The order is not in doubt any more"
    elif doubt.resolution is Closing.ANSWERED_BY_EXCHANGE:
        message = f"The exchange has answered by itself, so there is nothing to decide: the order is {doubt.state}"
    else:
        message = f"{doubt.resolved_by} has closed this order as {doubt.resolution}: {doubt.reference}"
    raise StateConflictError(message, state=doubt.state)


def _contradiction(resolution: Resolution, venue: VenueOrder | None, order: Order) -> str | None:
    """Why the venue's records do not allow the decision, or None."""
    if resolution is Resolution.NOT_RECEIVED:
        taken = venue is not None and venue.status not in _NEVER_TAKEN
        return f"the venue has taken the order, and it is {venue.status} there" if taken and venue else None
    if venue is None or venue.status in _NEVER_TAKEN:
        return "the venue has never taken the order"
    if venue.status not in _GONE:
        return f"the order is {venue.status} at the venue"
    if venue.cum_quantity != order.filled_quantity:
        return f"{venue.cum_quantity} are executed there and {order.filled_quantity} are booked: have it resend first"
    return None


def _view(doubt: DoubtRecord) -> DoubtView:
    asset, is_open = doubt.hold_asset, doubt.hold_open
    return DoubtView.of(doubt, hold_open=None if asset is None or is_open is None else amount(asset, is_open))
