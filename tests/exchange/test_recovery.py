"""Cut off between any two steps, the venue ends as if nothing had happened."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import OperationalError

from simulators.exchange import snapshot
from simulators.exchange.gateway import Limits
from simulators.exchange.store import Archive, Store, StoreBusyError
from tests.exchange.support import FixedClock, MemoryBus, about, new, running, types
from tests.support.waiting import eventually

OFTEN = Limits(snapshot_entries=7)


def tape(seed: int, length: int) -> list[dict[str, Any]]:
    """Requests that meet each other, with cancels, replaces, resends and repeats of earlier ones."""
    chance = random.Random(seed)
    entries: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    for _ in range(length):
        kind = chance.choice(["NEW", "NEW", "NEW", "CANCEL", "REPLACE", "STATUS", "AGAIN"])
        if kind == "NEW" or not orders:
            side, price = chance.choice(["BUY", "SELL"]), f"{chance.randint(1498, 1502)}.00"
            orders.append(new(side=side, price=price, quantity=chance.randint(1, 9), account=chance.choice("ABC")))
            entries.append(orders[-1])
        elif kind == "AGAIN":
            entries.append(chance.choice(entries))
        else:
            entries.append(about(chance.choice(orders), kind, **({"quantity": 5} if kind == "REPLACE" else {})))
    return entries


def by_id(reports: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Reports by ExecID; the same id must mean the same report."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        assert found.setdefault(report["exec_id"], report) == report
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_restarts_without_warning_change_nothing(
    database: str, make_database: Callable[[], str], seed: int
) -> None:
    entries, chance = tape(seed, 60), random.Random(seed)
    async with running(make_database(), limits=OFTEN) as venue:
        for entry in entries:
            await venue.ask(entry)
        expected = snapshot.take(venue.gateway.venue)
    async with running(make_database()) as venue:
        undisturbed = [r for entry in entries for r in await venue.ask(entry)]
    bus, position = MemoryBus(), 0
    while position < len(entries):
        async with running(database, bus=bus, limits=OFTEN, graceful=False) as venue:
            for entry in entries[position : (position := position + chance.randint(1, 12))]:
                await venue.deliver({"version": 1, "requests": [entry]})
    async with running(database, bus=bus) as venue:
        await venue.gateway.outbox.until_idle()
        assert snapshot.take(venue.gateway.venue) == expected
    assert by_id(bus.reports) == by_id(undisturbed)


type Step = tuple[type[Any], str]
STEPS: list[Step] = [(Store, "known"), (Store, "journal"), (Store, "archive"), (Archive, "mark_sent")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
async def test_database_lost_around_a_step_loses_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch, step: Step, after: bool
) -> None:
    bus, resting = MemoryBus(), new()
    async with running(database, bus=bus) as venue:
        await venue.ask(resting)
        broken = break_once(monkeypatch, *step, after=after)
        taker = new(side="SELL")
        await venue.deliver({"version": 1, "requests": [taker]})
        await eventually(lambda: bool(broken))
        await venue.gateway.settle()
        await venue.gateway.outbox.until_idle()
        reports = by_id(bus.take())
        assert sorted(types(list(reports.values()))) == ["NEW", "TRADE", "TRADE"]
        [status] = await venue.ask(about(taker, "STATUS"))
        assert (status["order_status"], status["last_sequence"]) == ("FILLED", 2)


def break_once(monkeypatch: pytest.MonkeyPatch, owner: type[Any], name: str, *, after: bool) -> list[str]:
    """Make the owner's next call of `name` fail like a lost connection, before or after it has worked."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)
    broken: list[str] = []

    async def breaking(self: Any, *values: Any) -> Any:
        if broken:
            return await original(self, *values)
        if after:
            await original(self, *values)
        broken.append(name)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(owner, name, breaking)
    return broken


async def test_reports_archived_but_unsent_go_out_after_restart(database: str) -> None:
    order = new()
    async with running(database, graceful=False) as venue:
        await venue.admin.post("/faults", json={"silent": True})
        await venue.deliver({"version": 1, "requests": [order, about(order, "STATUS")]})
        await venue.gateway.settle()
        assert venue.bus.reports == []
    async with running(database) as venue:
        await venue.gateway.outbox.until_idle()
        assert types(venue.bus.take()) == ["NEW", "ORDER_STATUS"]
    async with running(database) as venue:
        await venue.gateway.outbox.until_idle()
        assert venue.bus.take() == []


async def test_journaled_but_unmatched_requests_are_matched_after_restart(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new()
    with monkeypatch.context() as patch:

        async def never(*_: Any) -> None:
            raise OperationalError("killed here")

        patch.setattr(Store, "archive", never)
        async with running(database, graceful=False) as venue:
            await venue.deliver({"version": 1, "requests": [order]})
    async with running(database) as venue:
        await venue.gateway.outbox.until_idle()
        [report] = venue.bus.take()
        assert (report["exec_id"], report["order_id"]) == ("E000000000001-0", order["order_id"])


async def test_overflowing_backlog_is_sent_from_archive(database: str) -> None:
    async with running(database) as venue:
        venue.gateway.outbox._capacity = 10
        await venue.admin.post("/faults", json={"silent": True})
        for _ in range(5):
            await venue.deliver({"version": 1, "requests": [new() for _ in range(8)]})
        await venue.gateway.settle()
        await venue.admin.post("/faults", json={})
        reports = await venue.sent()
        assert [r["exec_id"] for r in reports] == [f"E{n:012d}-0" for n in range(1, 41)]


async def test_snapshot_trims_what_replay_no_longer_needs(database: str) -> None:
    clock = FixedClock()
    async with running(database, clock=clock, makers=True, limits=OFTEN) as venue:
        for _ in range(30):
            await venue.ask(new(price="1400.00"))
    with psycopg.connect(database) as connection:
        own = connection.execute("SELECT count(*) FROM journal WHERE request_id IS NULL").fetchone()
        assert own is not None
        assert own[0] <= 1
        assert connection.execute("SELECT count(*) FROM snapshot").fetchone() == (1,)
    async with running(database, clock=clock) as venue:
        assert len(venue.gateway.venue.live) == 30


async def test_retention_forgets_old_journal_and_reports(database: str) -> None:
    order, later = new(), new()
    async with running(database, limits=Limits(snapshot_entries=1, keep_days=5)) as venue:
        await venue.ask(order, about(order, "CANCEL"))
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE journal SET received_at = now() - interval '6 days'")
        venue.clock.advance(days=365)
        await venue.ask(later)
        await venue.ask(about(later, "STATUS"))
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT min(position) FROM journal").fetchone() == (3,)
            assert connection.execute("SELECT min(report_id) >> 20 FROM report").fetchone() == (3,)
        assert types(await venue.ask(about(order, "STATUS"))) == ["ORDER_STATUS"]


async def test_second_process_on_same_database_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.exchange.gateway._LOCK_WAIT_S", 0.1)
    async with running(database) as venue:
        with pytest.raises(StoreBusyError, match="another exchange writes to"):
            async with Store.open(database):
                pass
        assert types(await venue.ask(new())) == ["NEW"]


async def test_restart_with_ten_thousand_entries_is_quick(database: str) -> None:
    async with running(database, graceful=False) as venue:
        for _ in range(20):
            await venue.deliver({"version": 1, "requests": [new(price="1400.00") for _ in range(200)]})
        await venue.sent()
    async with running(database) as venue:
        assert len(venue.gateway.venue.live) == 4000


@pytest.mark.parametrize("seed", range(10, 13))
async def test_batch_equals_its_requests_one_by_one(make_database: Callable[[], str], seed: int) -> None:
    entries = tape(seed, 120)
    async with running(make_database()) as venue:
        alone = [report for entry in entries for report in await venue.ask(entry)]
        state = snapshot.take(venue.gateway.venue)
    async with running(make_database()) as venue:
        together = await venue.ask(*entries)
        assert snapshot.take(venue.gateway.venue) == state
    assert [r["exec_id"] for r in together] == [r["exec_id"] for r in alone]
    assert together == alone
