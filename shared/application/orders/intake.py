"""Intake: a request becomes an order on record, accepted or refused, together with its answer.

Requests that wait in this process are committed together (natural batching). Under the user's lock the keys
are looked at again, so of any number of twins, in any processes, exactly one wins and the others replay it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

import structlog

from shared.application.orders import answers
from shared.batching import Batcher
from shared.domain.orders.order import Order, Owner, State, changed
from shared.domain.orders.rejects import Reject, RejectCode, reject
from shared.halving import halve
from shared.ports.books import BookStore, Claim, Committed, NewOrder, Scope, StoredAnswer, Unit, UsersBusyError

MOST_REQUESTS = 50
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged request: its order, not yet on record, and the request whose id a refusal names."""

    order: Order
    refusal: Reject | None
    claim: Claim
    fingerprint: bytes
    request_id: str
    listed: Sequence[Claim] = ()
    """The claims of the whole list, where it is put on record in parts."""


class Taken(NamedTuple):
    """The answer on record, `replayed` when an earlier twin got it, the batch's commit for one publisher, and where the
    commit left the user's stream."""

    answer: StoredAnswer
    replayed: bool
    committed: Committed | None
    stream_sequence: int = 0


type _Batches = Batcher[Sequence[Candidate], Sequence[Taken] | None]


@dataclass(slots=True)
class _Apart:
    """The batches of one user, and how many callers wait for them."""

    batches: _Batches
    callers: int = 0


class Intake:
    """Commits candidates in batches."""

    def __init__(self, books: BookStore) -> None:
        self._books = books
        self._batches: _Batches = Batcher(self._commit, most=MOST_REQUESTS, weigh=len)
        self._apart: dict[UUID, _Apart] = {}

    async def take(self, candidate: Candidate) -> Taken:
        """`take_all` of one."""
        (taken,) = await self.take_all([candidate])
        return taken

    async def take_all(self, candidates: Sequence[Candidate]) -> Sequence[Taken]:
        """Put the candidates of one caller on record, in their order, or find their twins, in one commit.

        Raises UnavailableError when the database is unavailable.
        """
        user_id = candidates[0].order.user_id
        if user_id not in self._apart:
            taken = await self._batches.submit(candidates)
            if taken is not None:
                return taken
        return await self._wait_apart(user_id, candidates)

    async def take_list(self, candidates: Sequence[Candidate]) -> Sequence[Taken | None]:
        """`take_all`, but None for a candidate that no transaction takes: the others get commits without it."""
        listed = [candidate.claim for candidate in candidates]

        async def take(some: Sequence[Candidate]) -> Sequence[Taken | None]:
            parts = len(some) < len(candidates)
            return await self.take_all([replace(each, listed=listed) for each in some] if parts else some)

        async def leave_out(candidate: Candidate, error: Exception) -> None:
            _log.error("an order breaks its list", order_id=str(candidate.order.order_id), exc_info=error)

        return await halve(candidates, take, leave_out)

    async def _wait_apart(self, user_id: UUID, candidates: Sequence[Candidate]) -> Sequence[Taken]:
        """Batches of one user whose row is locked: no other user's orders wait with them."""
        own = self._apart.setdefault(user_id, _Apart(Batcher(self._commit_patiently, at_once=1, weigh=len)))
        own.callers += 1
        try:
            taken = await own.batches.submit(candidates)
        finally:
            own.callers -= 1
            if own.callers == 0:
                del self._apart[user_id]
        assert taken is not None, "who has all the time there is never finds the user busy"
        return taken

    async def _commit_patiently(self, callers: Sequence[Sequence[Candidate]]) -> Sequence[Sequence[Taken] | None]:
        return await self._commit(callers, brief=False)

    async def _commit(
        self, callers: Sequence[Sequence[Candidate]], *, brief: bool = True
    ) -> Sequence[Sequence[Taken] | None]:
        """One answer a caller, None for those of users who are locked."""
        try:
            return await self._take(callers, brief=brief)
        except UsersBusyError as error:
            busy = error.users
        calm = [caller for caller in callers if caller[0].order.user_id not in busy]
        answers = iter(await self._commit(calm) if calm else ())
        return [None if caller[0].order.user_id in busy else next(answers) for caller in callers]

    async def _take(self, callers: Sequence[Sequence[Candidate]], *, brief: bool) -> Sequence[Sequence[Taken]]:
        candidates = [candidate for caller in callers for candidate in caller]
        scope = Scope(
            users={candidate.order.user_id for candidate in candidates},
            claims=[claim for caller in callers for claim in _claims(caller)],
        )
        taken, committed = await self._books.work(
            scope, lambda unit: [_take_caller(unit, each) for each in callers], brief=brief
        )
        # One caller of the batch publishes for all.
        taken[0][0] = taken[0][0]._replace(committed=committed)
        sequences = (committed.sequences[caller[0].order.user_id] for caller in callers)
        return [
            [each._replace(stream_sequence=sequence) for each in of_caller]
            for of_caller, sequence in zip(taken, sequences, strict=True)
        ]


def _claims(caller: Sequence[Candidate]) -> Sequence[Claim]:
    """Under which nothing of another list may be on record."""
    return caller[0].listed or [candidate.claim for candidate in caller]


def _take_caller(unit: Unit, candidates: Sequence[Candidate]) -> list[Taken]:
    """Nothing of a list is recorded when its key was used for another one, not even what the other has no place for."""
    for claim in _claims(candidates):
        other = unit.orders.answers.get((claim.user_id, claim.idempotency_key or ""))
        if other is not None and other.fingerprint != candidates[0].fingerprint:
            return [Taken(other, replayed=True, committed=None)] * len(candidates)
    return [_take(unit, each) for each in candidates]


def _take(unit: Unit, candidate: Candidate) -> Taken:
    user_id, key, name = candidate.order.user_id, candidate.claim.idempotency_key, candidate.claim.client_order_id
    if key is not None and (user_id, key) in unit.orders.answers:
        return Taken(unit.orders.answers[user_id, key], replayed=True, committed=None)
    order, refusal = candidate.order, candidate.refusal
    used_by = None if name is None else unit.orders.client_order_ids.get((user_id, name))
    if used_by is not None:
        refusal = refusal or reject(RejectCode.DUPLICATE_CLIENT_ORDER_ID, limit=used_by, actual=name)
        order = changed(order, client_order_id=None)
    answer = _record(unit, candidate, order, refusal)
    if key is not None:
        unit.orders.answers[user_id, key] = answer
    if order.client_order_id is not None:
        unit.orders.client_order_ids[user_id, order.client_order_id] = order.order_id
    return Taken(answer, replayed=False, committed=None)


def _record(unit: Unit, candidate: Candidate, order: Order, refusal: Reject | None) -> StoredAnswer:
    order = changed(order, accepted_at=unit.books.at, updated_at=unit.books.at)
    if refusal is not None:
        order = changed(
            order,
            state=State.REJECTED,
            owner=Owner.NOBODY,
            deadline=None,
            reject_code=refusal.code,
            status_message=refusal.message,
        )
    if refusal is None:
        answer = StoredAnswer(order.order_id, candidate.fingerprint, answers.ACCEPTED, answers.acceptance(order))
    else:
        body = answers.refusal(order, refusal, candidate.request_id)
        answer = StoredAnswer(order.order_id, candidate.fingerprint, answers.REFUSED, body)
    unit.books.open_order(order)
    unit.orders.new.append(NewOrder(order, candidate.claim.idempotency_key, answer))
    return answer
