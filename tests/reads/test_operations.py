"""What staff see, and the one decision they take."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from sandbox.verify import Sources, Terms, verify
from shared.adapters.postgres.books import PostgresBooks
from shared.adapters.postgres.operations import PostgresOperations
from shared.application.health import Dependency, Health
from shared.application.operations import Operations
from shared.application.reconciliation import Reconciliation
from shared.application.resolution import Doubts
from shared.contracts.operations import ResolveDoubt
from shared.domain.errors import IdempotencyKeyReusedError, NotFoundError, StateConflictError, UnavailableError
from shared.ports.books import Committed
from shared.ports.operations import DeadLetter, Execution, LiveOrder, QueueFigures, SagaState
from tests.reads.conftest import Broker
from tests.verify.world import ALICE, DAY, RATE_CARDS

_OLGA, _OSCAR = uuid4(), uuid4()
_DECISION = ResolveDoubt(resolution="NOT_RECEIVED", reference="NSE ticket 4711", note="The exchange never had it")


class _NoBus:
    async def figures(self) -> Sequence[QueueFigures]:
        raise UnavailableError("The bus does not answer", retry_after_s=5)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return []


class _Publisher:
    def __init__(self) -> None:
        self.published: list[Committed] = []

    async def publish(self, committed: Committed, sagas: Any) -> None:
        self.published.append(committed)


def _operations(broker: Broker) -> Operations:
    adapter = PostgresOperations(broker.database)
    return Operations(adapter, adapter, _NoBus())


def _doubts(broker: Broker, publisher: Any = None) -> Doubts:
    adapter = PostgresOperations(broker.database)
    return Doubts(PostgresBooks(broker.database, RATE_CARDS), adapter, adapter, publisher or _Publisher())


def _violations(broker: Broker) -> list[str]:
    return [
        str(violation)
        for violation in verify(Sources(broker.dsn), Terms(RATE_CARDS)).violations
        if violation.check != "outboxes are empty"
    ]


async def test_sagas_are_listed_newest_first(broker: Broker) -> None:
    operations = _operations(broker)
    sagas, end = await operations.sagas(None, None, None, 2)
    rest, last = await operations.sagas(None, None, end, 2)
    ids = [saga.saga_id for saga in [*sagas, *rest]]
    assert ids == sorted(map(str, broker.world.sagas.values()), reverse=True)
    assert last is None


async def test_saga_filters_tell_flying_stuck_and_finished(broker: Broker) -> None:
    operations, sagas = _operations(broker), broker.world.sagas
    flying, _ = await operations.sagas(SagaState.IN_FLIGHT, None, None, 50)
    assert [saga.saga_id for saga in flying] == [str(sagas["running"])]
    broker.execute("UPDATE sagas SET deadline = now() - interval '1 s'")
    stuck, _ = await operations.sagas(SagaState.STUCK, None, None, 50)
    assert [(saga.saga_id, saga.state) for saga in stuck] == [(str(sagas["running"]), "STUCK")]
    finished, _ = await operations.sagas(SagaState.FINISHED, None, None, 50)
    assert {saga.saga_id for saga in finished} == {str(sagas["main"]), str(sagas["failing"])}
    of_order, _ = await operations.sagas(None, broker.world.id("compensated"), None, 50)
    assert [saga.saga_id for saga in of_order] == [str(sagas["failing"])]


async def test_saga_shows_compensation_with_its_money(broker: Broker) -> None:
    saga = await _operations(broker).saga(broker.world.sagas["failing"])
    member = next(each for each in saga.members if each.order_id == str(broker.world.id("compensated")))
    assert [(step.step, step.outcome) for step in member.steps] == [
        ("reserve_funds", "HELD"),
        ("release_funds", "COMPENSATED"),
    ]
    (hold,) = member.holds
    assert (hold.open, hold.released) == ("0.00", hold.amount)
    assert member.transfers == []


async def test_saga_shows_the_ledger_lines_of_fills(broker: Broker) -> None:
    saga = await _operations(broker).saga(broker.world.sagas["main"])
    member = next(each for each in saga.members if each.order_id == str(broker.world.id("filled")))
    paid = [line for line in member.transfers if line.debit_account == "client.cash"]
    (hold,) = member.holds
    assert sum(Decimal(line.amount) for line in paid) == Decimal(hold.captured)
    assert {line.amount for line in member.transfers if line.asset == "NSE:INFY"} == {"4", "6"}


async def test_unknown_saga_is_not_found(broker: Broker) -> None:
    with pytest.raises(NotFoundError):
        await _operations(broker).saga(uuid4())


async def test_doubt_carries_its_evidence_and_hold(broker: Broker) -> None:
    (doubt,), _ = await _operations(broker).doubts(None, 50)
    assert doubt.order_id == str(broker.world.id("doubted"))
    assert doubt.evidence == {"exchange_has_told_of": 0}
    assert Decimal(doubt.hold_open or "0") > 3 * 400


async def test_resolving_releases_the_hold_on_record(broker: Broker) -> None:
    publisher = _Publisher()
    answered = await _doubts(broker, publisher).resolve(_OLGA, broker.world.id("doubted"), _DECISION, "k1", None)  # type: ignore[arg-type]
    body = json.loads(answered.body)
    assert (body["order_state"], body["resolved_by"], body["reference"]) == ("REJECTED", str(_OLGA), "NSE ticket 4711")
    assert publisher.published[0].effects
    assert await _operations(broker).doubts(None, 50) == ([], None)
    assert _violations(broker) == []


async def test_resolve_twins_decide_once(broker: Broker) -> None:
    doubts, order_id = _doubts(broker), broker.world.id("doubted")
    answers = await asyncio.gather(
        *(doubts.resolve(_OLGA, order_id, _DECISION, key, None) for key in ("a", "a", "b", "a"))  # type: ignore[arg-type]
    )
    assert len({answer.body for answer in answers}) == 1
    again = await doubts.resolve(_OLGA, order_id, _DECISION, "a", None)  # type: ignore[arg-type]
    assert (again.body, again.replayed) == (answers[0].body, True)
    assert _violations(broker) == []


async def test_key_with_another_body_is_refused(broker: Broker) -> None:
    doubts, order_id = _doubts(broker), broker.world.id("doubted")
    await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    other = _DECISION.model_copy(update={"note": "Something else"})
    with pytest.raises(IdempotencyKeyReusedError):
        await doubts.resolve(_OLGA, order_id, other, "k", None)  # type: ignore[arg-type]


async def test_second_opinion_comes_too_late(broker: Broker) -> None:
    doubts, order_id = _doubts(broker), broker.world.id("doubted")
    await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    with pytest.raises(StateConflictError):
        await doubts.resolve(_OSCAR, order_id, _DECISION, "k", None)  # type: ignore[arg-type]


async def test_answer_lost_in_a_crash_is_given_again(broker: Broker) -> None:
    doubts, order_id = _doubts(broker), broker.world.id("doubted")
    first = await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    broker.execute("DELETE FROM idempotent_answers")
    second = await doubts.resolve(_OLGA, order_id, _DECISION, "k", None)  # type: ignore[arg-type]
    assert second.body == first.body


async def test_only_orders_in_doubt_can_be_resolved(broker: Broker) -> None:
    with pytest.raises(NotFoundError):
        await _doubts(broker).resolve(_OLGA, broker.world.id("working"), _DECISION, "k", None)  # type: ignore[arg-type]


async def test_trial_balance_is_zero_per_asset(broker: Broker) -> None:
    balance = await _operations(broker).trial_balance()
    assert balance.balanced
    assert {asset.total for asset in balance.assets} <= {"0.00", "0"}
    broker.execute("UPDATE accounts SET balance = balance + 1 WHERE asset = 'NSE:LT'")
    balance = await _operations(broker).trial_balance()
    assert [asset.asset for asset in balance.assets if not asset.balanced] == ["NSE:LT"]


async def test_checkpoint_changes_no_sum(broker: Broker) -> None:
    operations = _operations(broker)
    before = await operations.trial_balance()
    assert await operations.take_checkpoint() is True
    after = await operations.trial_balance()
    assert after.assets == before.assets
    assert after.checkpoint_at is not None
    assert await operations.take_checkpoint() is False
    assert _violations(broker) == []


async def test_checkpoint_leaves_running_transactions_to_the_tail(broker: Broker) -> None:
    operations = _operations(broker)
    late = (ALICE, uuid4(), "external.bank", "client.cash", "INR", 500, "late")
    with psycopg.connect(broker.dsn) as running:
        running.execute(
            "INSERT INTO transfers (user_id, entry_id, debit_account, credit_account, asset, amount, reason, "
            "booked_at) VALUES (%s, %s, %s, %s, %s, %s, %s, now())",
            late,
        )
        running.execute(
            "UPDATE accounts SET balance = balance + 500 WHERE user_id = %s AND account = 'client.cash'", (ALICE,)
        )
        broker.execute("UPDATE users SET created_at = created_at")  # a younger transaction that ends first
        await operations.take_checkpoint()
        running.commit()
    assert (await operations.trial_balance()).balanced
    await operations.take_checkpoint()
    assert (await operations.trial_balance()).balanced
    assert "checkpoint" not in "".join(_violations(broker))


async def test_checkpoints_taken_at_once_add_up(broker: Broker) -> None:
    operations = _operations(broker)
    before = await operations.trial_balance()
    await asyncio.gather(*(operations.take_checkpoint() for _ in range(3)))
    assert (await operations.trial_balance()).assets == before.assets
    assert _violations(broker) == []


class _Venue:
    def __init__(self, executions: list[Execution], live: list[LiveOrder]) -> None:
        self._executions = executions
        self._live = live

    async def executions(self, trade_date: date) -> AsyncIterator[Sequence[Execution]]:
        yield self._executions

    async def live_orders(self) -> AsyncIterator[Sequence[LiveOrder]]:
        yield self._live


def _venue_of(broker: Broker) -> _Venue:
    executions = [
        Execution(r["exec_id"], r["order_id"], r["last_quantity"], int(Decimal(r["last_price"]) * 100))
        for r in broker.world.reports
        if r["exec_type"] == "TRADE"
    ]
    live = [
        LiveOrder(str(broker.world.id("working")), 5, 0),
        LiveOrder(str(broker.world.id("partly")), 6, 2),
    ]
    return _Venue(executions, live)


async def _reconcile(broker: Broker, venue: _Venue) -> Any:
    reconciliation = Reconciliation(PostgresOperations(broker.database), venue)
    return await reconciliation.run("NSE", date.fromisoformat(DAY))


async def test_equal_books_have_no_difference(broker: Broker) -> None:
    result = await _reconcile(broker, _venue_of(broker))
    assert result.equal
    assert (result.venue_executions, result.our_executions) == (4, 4)
    assert (result.venue_live_orders, result.our_working_orders) == (2, 2)


async def test_differences_are_named_both_ways(broker: Broker) -> None:
    venue = _venue_of(broker)
    lost = venue._executions.pop(0)
    venue._executions.append(Execution("E-new", str(uuid4()), 1, 100))
    venue._live[0] = LiveOrder(str(broker.world.id("filled")), 10, 10)
    venue._live.append(LiveOrder("not-a-uuid", 1, 0))
    result = await _reconcile(broker, venue)
    assert {each.id for each in result.executions} == {lost.exec_id, "E-new"}
    assert {each.id: (each.venue is None, each.ours is None) for each in result.orders} == {
        str(broker.world.id("filled")): (False, False),
        str(broker.world.id("working")): (True, False),
        "not-a-uuid": (False, True),
    }


async def test_backlog_counts_what_waits(broker: Broker) -> None:
    backlogs = await _operations(broker).backlogs()
    waiting = {table.name: table.waiting for table in backlogs.tables}
    assert (waiting["dispatch_queue"], waiting["sagas_in_flight"], waiting["in_doubt"]) == (1, 1, 1)
    assert (backlogs.bus, backlogs.queues) == ("DOWN", [])


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


async def _up() -> None:
    return None


async def _broken() -> None:
    raise OSError("connection refused by 10.0.0.1")


@pytest.mark.parametrize(
    ("required", "optional", "status"),
    [(_up, _up, "OK"), (_up, _broken, "DEGRADED"), (_broken, _up, "DOWN"), (_never, _never, "DOWN")],
)
async def test_health_names_the_worst_dependency(required: Any, optional: Any, status: str) -> None:
    health = Health(
        [Dependency("ledger", required=True, probe=required), Dependency("cache", required=False, probe=optional)],
        bound_s=0.05,
    )
    found = await health.get()
    assert found.status == status
    assert "10.0.0.1" not in found.model_dump_json()
    assert all(each.ms < 1000 for each in found.dependencies)
