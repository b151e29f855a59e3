"""Reports from the exchange, recovery and the outboxes, on PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest

from emulators.processes.postgres import PostgresServer
from shared.application.orders import execution_reports
from shared.domain.errors import UnavailableError
from shared.domain.orders.events import CancelRequested
from shared.domain.orders.order import Owner, State
from tests.support.broker import Broker, fill, report
from tests.support.values import ALICE, BOB, CANCEL, an_order

PARKED = "SELECT reason, order_id FROM parked_reports ORDER BY parked_no"


async def test_duplicate_message_books_nothing_twice(broker: Broker):
    _, [key] = await broker.submitted()
    reports = [report(key), fill(key, 4, cum=4), fill(key, 6, cum=10)]
    for _ in range(3):
        await broker.receive(*reports)
    order = await broker.order(key)
    assert (order.state, order.filled_quantity, order.notional) == (State.FILLED, 10, 1_500_000)
    assert broker.value("SELECT count(*) FROM trades") == 2
    assert broker.value("SELECT count(*) FROM order_events") == order.revision == 6


async def test_same_message_in_two_processes_books_once(broker: Broker, other: Broker):
    _, keys = await broker.submitted(5)
    reports = [each for key in keys for each in (report(key), fill(key))]
    await asyncio.gather(broker.receive(*reports), other.receive(*reports[::-1]), broker.receive(*reports))
    assert broker.value("SELECT count(*) FROM trades") == 5
    assert {(await broker.order(key)).state for key in keys} == {State.FILLED}
    assert broker.rows(PARKED) == []


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\xff\xfe",
        b"[]",
        b'{"version": 2, "reports": []}',
        b'{"version": 1, "reports": {}}',
        b'{"version": 1, "reports": [null]}',
        b'{"version": 1, "reports": [{"exec_type": "TRADE"}]}',
        b'{"version": 1, "reports": [' + b"[" * 300 + b"]" * 300 + b"]}",
        b'{"version": 1, "reports": ["\\u0000"]}',
    ],
)
async def test_garbage_is_parked_whole_and_once(broker: Broker, body: bytes):
    _, [key] = await broker.submitted()
    good = orjson.dumps({"version": 1, "reports": [report(key)]})
    for _ in range(2):
        await broker.reports.book([body, good, body], broker.sagas)
    assert (await broker.order(key)).state is State.NEW
    assert broker.value("SELECT count(*) FROM parked_reports") == 1


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "more than the order": {"quantity": 11, "cum": 11, "leaves_quantity": 0},
    "worse than the limit": {"price": "1500.05"},
    "no price": {"price": "0"},
    "not a price": {"price": "1.5e3"},
    "nul in an id": {"exec_id": "E\x001"},
    "nul in a match": {"match_id": "M\x001"},
    "year one": {"transact_time": "0001-01-01T00:00:00+05:30"},
}


@pytest.mark.parametrize("changes", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
async def test_one_contradiction_is_parked_alone(broker: Broker, changes: dict[str, Any]):
    _, keys = await broker.submitted(3)
    await broker.receive(fill(keys[0]), fill(keys[1], **changes), fill(keys[2]))
    assert [(await broker.order(key)).state for key in keys] == [State.FILLED, State.SUBMITTED, State.FILLED]
    assert [order_id for _, order_id in broker.rows(PARKED)] == [keys[1][1]]


@pytest.mark.parametrize(
    "changes",
    [
        {"exec_type": "REPLACED"},
        {"exec_type": "CANCELED", "cum_quantity": 11},
        {"account": str(BOB)},
        {"order_id": str(an_order().order_id)},
    ],
)
async def test_report_that_cannot_be_ours_is_parked(broker: Broker, changes: dict[str, Any]):
    _, [key] = await broker.submitted()
    await broker.receive(report(key, **changes))
    assert (await broker.order(key)).state is State.SUBMITTED
    assert len(broker.rows(PARKED)) == 1


@pytest.mark.parametrize("ended", ["CANCELED", "EXPIRED"])
async def test_order_ends_as_the_exchange_says(broker: Broker, ended: str):
    _, [key] = await broker.submitted()
    await broker.receive(report(key, ended, order_status=ended, leaves_quantity=0, reason="SESSION_END"))
    order = await broker.order(key)
    assert (order.state, order.status_message, order.leaves_quantity) == (ended, "SESSION_END", 0)


async def test_refused_twin_does_not_end_its_order(broker: Broker):
    _, [key] = await broker.submitted()
    await broker.receive(report(key, "REJECTED", reason="DUPLICATE_ORDER"))
    assert (await broker.order(key)).state is State.NEW


async def test_execution_of_another_order_is_not_booked_again(broker: Broker):
    _, [first, second] = await broker.submitted(2)
    await broker.receive(fill(first, exec_id="E1"))
    await broker.receive(fill(second, exec_id="E1"))
    assert broker.value("SELECT count(*) FROM trades") == 1
    assert (await broker.order(second)).state is State.SUBMITTED


async def test_absent_ledger_keeps_the_reports_on_the_bus(
    broker: Broker, other: Broker, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(execution_reports, "_PATIENCE_S", 0.2)
    _, [key] = await broker.submitted()
    name = broker.url.rpartition("/")[2]
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        with pytest.raises(UnavailableError):
            await broker.receive(report(key))
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    await other.receive(report(key))
    assert (await other.order(key)).state is State.NEW


async def unanswered(broker: Broker) -> Any:
    """One order that its saga handed to recovery."""
    saga_id, [key] = await broker.submitted()
    await broker.saga.confirm(saga_id, broker.sagas)
    broker.exchange.sent.clear()
    return key


async def test_recovery_asks_then_doubts_then_a_late_answer_settles(broker: Broker):
    key = await unanswered(broker)
    for _ in range(2):
        assert await broker.recovery.ask(key, broker.sagas)
    assert [request["kind"] for request in broker.exchange.requests] == ["STATUS", "RESEND"] * 2
    assert len({request["request_id"] for request in broker.exchange.requests}) == 4
    assert await broker.recovery.doubt(key, broker.sagas)
    order = await broker.order(key)
    assert (order.owner, order.in_doubt, order.state) == (Owner.OPERATIONS, True, State.SUBMITTED)
    assert broker.value("SELECT sum(held) FROM accounts") > 0
    assert broker.value("SELECT evidence -> 'order' ->> 'order_id' FROM in_doubt") == str(key[1])
    await broker.receive(fill(key))
    assert (await broker.order(key)).state is State.FILLED
    assert broker.value("SELECT resolution FROM in_doubt WHERE resolved_at IS NOT NULL") == "ANSWERED_BY_EXCHANGE"
    assert not await broker.recovery.ask(key, broker.sagas)
    assert not await broker.recovery.doubt(key, broker.sagas)


@pytest.mark.parametrize(("after_expiry_s", "state"), [(-0.5, State.SUBMITTED), (0.5, State.REJECTED)])
async def test_unknown_releases_only_after_expiry(broker: Broker, after_expiry_s: float, state: State):
    key = await unanswered(broker)
    expire_at = (await broker.order(key)).expire_at
    assert expire_at is not None
    at = (expire_at + timedelta(seconds=after_expiry_s)).isoformat()
    await broker.receive(report(key, "ORDER_STATUS", order_status="UNKNOWN", transact_time=at, leaves_quantity=0))
    assert (await broker.order(key)).state is state
    assert (broker.value("SELECT sum(held) FROM accounts") == 0) == (state is State.REJECTED)


async def test_status_of_an_ended_order_waits_for_the_report_itself(broker: Broker):
    key = await unanswered(broker)
    await broker.receive(report(key, "ORDER_STATUS", order_status="REJECTED", leaves_quantity=0))
    assert (await broker.order(key)).owner is Owner.RECOVERY
    await broker.receive(report(key, "REJECTED", order_status="REJECTED", reason="STALE", leaves_quantity=0))
    assert (await broker.order(key)).reject_code == "NEVER_REACHED_EXCHANGE"


async def test_overdue_gap_is_asked_about_by_the_sweep(broker: Broker):
    _, [key] = await broker.submitted()
    await broker.receive(fill(key, 4, cum=9))
    for table in ("orders", "order_deadlines"):
        broker.rows(f"UPDATE {table} SET deadline = now() - interval '1 second'")
    await broker.sweep.run(broker.sagas)
    assert broker.sagas.recovering == [key]
    assert await broker.recovery.ask(key, broker.sagas)
    await broker.receive(fill(key, 5, cum=9))
    order = await broker.order(key)
    assert (order.owner, order.has_gap) == (Owner.VENUE, False)


async def test_recovery_repeats_a_pending_cancel(broker: Broker):
    key = await unanswered(broker)
    await broker.change(key, CancelRequested(CANCEL, datetime.now(UTC)))
    await broker.recovery.ask(key, broker.sagas)
    assert [request["kind"] for request in broker.exchange.requests] == ["CANCEL", "STATUS", "RESEND"]
    assert broker.exchange.requests[0]["request_id"] == str(CANCEL)


def age_outboxes(broker: Broker) -> None:
    """As if the commit had been a while ago."""
    for table in ("exchange_outbox", "effects_outbox", "effects", "saga_signals"):
        broker.rows(f"UPDATE {table} SET created_at = created_at - interval '10 seconds'")


def unsent(broker: Broker) -> list[int]:
    return [
        broker.value("SELECT count(*) FROM exchange_outbox"),
        broker.value("SELECT count(*) FROM effects_outbox"),
        broker.value("SELECT count(*) FROM saga_signals"),
    ]


async def test_unreachable_bus_leaves_rows_for_the_sweep(broker: Broker):
    broker.exchange.open = broker.audience.open = False
    _, [key] = await broker.submitted()
    await broker.receive(report(key))
    assert unsent(broker) == [1, 5, 0]  # deposits and intake: their effects are published by their callers
    await broker.sweep.run(broker.sagas)
    assert unsent(broker)[0] == 1
    broker.exchange.open = broker.audience.open = True
    age_outboxes(broker)
    await broker.sweep.run(broker.sagas)
    assert unsent(broker) == [0, 0, 0]
    assert [request["kind"] for request in broker.exchange.requests] == ["NEW"]
    published = [effect.sequence for effect in broker.audience.published if effect.user_id == ALICE]
    assert published == [1, 2, 3, 4]


async def test_unreachable_bus_does_not_hold_up_other_effects(broker: Broker):
    broker.exchange.open = False
    saga_id, _ = await broker.submitted()
    age_outboxes(broker)
    broker.rows("INSERT INTO saga_signals (saga_id, created_at) VALUES (%s, now() - interval '9 seconds')", saga_id)
    await broker.sweep.run(broker.sagas)
    assert unsent(broker) == [1, 0, 0]
    assert broker.sagas.woken == [saga_id]


async def test_crash_between_commit_and_publish_is_swept(
    broker: Broker, other: Broker, monkeypatch: pytest.MonkeyPatch
):
    async def crash(*arguments: Any) -> None:
        """The process dies before it publishes."""

    monkeypatch.setattr(broker.publisher, "publish", crash)
    saga_id, [key] = await broker.submitted()
    await broker.receive(report(key))
    assert unsent(broker) == [1, 5, 1]
    age_outboxes(broker)
    await other.sweep.run(other.sagas)
    assert unsent(other) == [0, 0, 0]
    assert other.sagas.woken == [saga_id]
    assert len(other.exchange.requests) == 1
    assert {effect.user_id for effect in other.audience.published} == {ALICE, BOB}
