"""P1b and P2: orders that reach the venue and are filled, the drain included; one order alone; what each order costs.

The naive endpoint, which only inserts, gets as many processes as the broker's app has (two).
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Final

import httpx
import psycopg

from bench.brokers import BenchmarkError, broker, check_invariants, counted_broker, drain, prices
from bench.client import Load, Plan, drive
from bench.orders.loads import clients_of, warm_up
from bench.reference import naive
from bench.report import Effort, middle, percentile, ratio, say
from bench.round_trips import RoundTrips
from bench.usage import Usage, usage_of
from bench.written import WriteAheadLog, Written
from sandbox.harness import Sandbox
from shared.application.publishing import GATHER_S

_USERS: Final = 1_008
_STAGES: Final = ("funds_held", "at_exchange", "acknowledged", "filled")
_CAPACITY_P99_MS: Final = 150.0
_STEPS: Final = (1.0, 0.8, 0.65, 0.5, 0.35, 0.2)
_ALONE_PER_S: Final = 4.0
_IDLE_S: Final = 3.0


def filling(effort: Effort) -> dict[str, Any]:
    """Sustained to the fill, capacity and latency, one idle order's way, and what an order costs."""
    with broker(_USERS) as sandbox, clients_of(sandbox, effort.seconds) as clients:
        idle = _idle(sandbox, clients.users, 20 if effort.rounds > 2 else 10)
        alone = _alone(sandbox, clients.plan, 12.0 if effort.rounds > 2 else 6.0)
        with naive(sandbox, clients.users, 2) as naive_url:
            other = replace(clients.plan, url=naive_url, journal=None)
            warm_up(clients.plan, other)
            drain(sandbox)
            sustained = _sustained(sandbox, clients.plan, other, effort.rounds)
        latency = _latency(sandbox, clients.plan, sustained["orders_per_s"])
        drain(sandbox)
        check_invariants(sandbox, clients.journal, at_rest=True)
    return {"idle_ms": idle, "one_order_alone": alone, "sustained": sustained, "latency": latency}


def counting(effort: Effort) -> dict[str, Any]:
    """Round trips of the app to its database, an order; counted by a proxy, so nothing else is measured here."""
    with counted_broker(_USERS) as (sandbox, trips), clients_of(sandbox, effort.seconds) as clients:
        warm_up(clients.plan)
        drain(sandbox)
        plans = {"alone": _alone_plan(clients.plan, effort.seconds * 2), "sustained": clients.plan}
        figures = {name: _round_trips(sandbox, trips, replace(plan, run_id=name)) for name, plan in plans.items()}
        check_invariants(sandbox, clients.journal, at_rest=True)
    say(f"round trips an order: {figures}")
    return {"round_trips_per_order": figures}


def _round_trips(sandbox: Sandbox, trips: RoundTrips, plan: Plan) -> float:
    """What an idle app asks in the same time is not counted."""
    idle_from, started = trips.count, time.monotonic()
    time.sleep(_IDLE_S)
    idle_per_s = (trips.count - idle_from) / (time.monotonic() - started)
    before, started = trips.count, time.monotonic()
    load = drive(plan)
    drain(sandbox)
    asked = trips.count - before - idle_per_s * (time.monotonic() - started)
    return round(asked / max(1, load.accepted), 2)


# --- one order at a time ------------------------------------------------------------------------------------


def _alone_plan(plan: Plan, seconds: float) -> Plan:
    return replace(plan, run_id="alone", rate=_ALONE_PER_S, connections=1, seconds=seconds)


def _alone(sandbox: Sandbox, plan: Plan, seconds: float) -> dict[str, Any]:
    """What one order costs all processes when nothing else is under way, less what idling costs."""
    drive(_alone_plan(replace(plan, journal=None), 1.0))
    drain(sandbox)
    with psycopg.connect(sandbox.dsn(), autocommit=True) as connection:
        before, started = usage_of(sandbox), time.monotonic()
        time.sleep(_IDLE_S)
        idle, idle_s = usage_of(sandbox).since(before), time.monotonic() - started
        log = WriteAheadLog(connection)
        position, before, started = log.position(), usage_of(sandbox), time.monotonic()
        load = drive(replace(_alone_plan(plan, seconds), run_id="alone-2"))
        drain(sandbox)
        time.sleep(2 * GATHER_S)
        spent = usage_of(sandbox).since(before).without(idle, (time.monotonic() - started) / idle_s)
        figures = _costs(spent, log.since(position), load.accepted)
    say(f"one order alone: {figures['cpu_us_per_order']['total'] / 1000:.1f} ms of CPU")
    return figures


def _costs(spent: Usage, written: Written, orders: int) -> dict[str, Any]:
    return {
        "cpu_us_per_order": spent.cpu_us_per_order(orders),
        "wakeups_per_order": spent.wakeups_per_order(orders),
        "commits_per_order": {
            name: round(count / orders, 2) for name, count in sorted(written.commits.items()) if name
        },
        "log_kb_per_order": {
            "broker": round(written.of("broker") / orders / 1e3, 1),
            "all": round(written.bytes / orders / 1e3, 1),
            "whole_pages": round(written.images / orders / 1e3, 1),
        },
    }


def _idle(sandbox: Sandbox, users: Sequence[tuple[str, str]], orders: int) -> dict[str, Any]:
    """One order at a time, each of another user, each waited for; stages in milliseconds from its acceptance."""
    seen: dict[str, list[float]] = {stage: [] for stage in (*_STAGES, "answered")}
    with httpx.Client(base_url=f"{sandbox.base_url}/api", timeout=15) as client:
        # The first is not counted: connections are made with it.
        for place, (_, token) in enumerate(users[: orders + 1]):
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"idle-{place}"}
            started = time.perf_counter()
            answer = client.post("/orders", json=_order(place), headers=headers)
            answered_ms = (time.perf_counter() - started) * 1000
            stages = _ended(client, answer.raise_for_status().json()["order_id"], headers)
            if place:
                seen["answered"].append(answered_ms)
                for stage in _STAGES:
                    seen[stage].append(float(stages[stage]))
            else:
                say(f"first order: answered {answered_ms:.0f} ms, {stages}")
    return {stage: middle(values) for stage, values in seen.items()} | {
        "filled_p90": round(percentile(seen["filled"], 0.9), 1)
    }


def _order(place: int) -> dict[str, Any]:
    instrument, buy, sell = prices()[place // 2 % len(prices())]
    side, price = ("BUY", buy) if place % 2 else ("SELL", sell)
    wanted = {"instrument_id": instrument, "side": side, "order_type": "LIMIT", "product": "CNC"}
    return wanted | {"quantity": 1, "price": price}


def _ended(client: httpx.Client, order_id: str, headers: dict[str, str]) -> dict[str, str]:
    deadline = time.monotonic() + 15
    while True:
        history = client.get(f"/orders/{order_id}/history", headers=headers).raise_for_status().json()
        stages = {stage["stage"]: stage["ms"] for stage in history["stages"]}
        if "filled" in stages:
            return stages
        if time.monotonic() > deadline:
            raise BenchmarkError(f"order {order_id} was not filled: {history}")
        time.sleep(0.15)


# --- many ---------------------------------------------------------------------------------------------------


def _sustained(sandbox: Sandbox, plan: Plan, other: Plan, rounds: int) -> dict[str, Any]:
    rates: list[float] = []
    costs: list[dict[str, Any]] = []
    theirs: list[Load] = []
    with psycopg.connect(sandbox.dsn(), autocommit=True) as connection:
        log = WriteAheadLog(connection)
        for number in range(rounds):
            position, before, started = log.position(), usage_of(sandbox), time.monotonic()
            load = drive(replace(plan, run_id=f"s{number}"))
            drained_s = drain(sandbox)
            rates.append(load.accepted / (time.monotonic() - started))
            spent = usage_of(sandbox).since(before)
            costs.append(_costs(spent, log.since(position), load.accepted))
            theirs.append(drive(replace(other, run_id=f"n{number}")))
            say(
                f"sustained: {rates[-1]:.0f}/s {load.statuses} (drained in {drained_s:.1f} s), "
                f"naive {theirs[-1].per_second:.0f}/s"
            )
    naive_rates = [load.per_second for load in theirs]
    return {
        "orders_per_s": middle(rates),
        "naive_per_s": middle(naive_rates),
        "ratio": ratio(rates, naive_rates),
    } | {name: _median_of([each[name] for each in costs]) for name in costs[-1]}


def _median_of(costs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(each.get(name, 0.0) for each in costs), 2) for name in costs[-1]}


def _latency(sandbox: Sandbox, plan: Plan, sustained: float) -> dict[str, Any]:
    """Capacity by falling steps from what was sustained, then the latency at half of it."""
    held = False
    for step in _STEPS:
        load = drive(replace(plan, run_id=f"c{step}", rate=sustained * step))
        drained_s = drain(sandbox)
        say(f"open loop {sustained * step:.0f}/s: p99 {load.p99_ms} ms, drained in {drained_s:.1f} s {load.statuses}")
        held = load.p99_ms < _CAPACITY_P99_MS and drained_s < 2 and load.accepted == load.sent
        if held:
            break
    capacity = sustained * step
    half = drive(replace(plan, run_id="half", rate=capacity / 2))
    drain(sandbox)
    say(f"open loop {capacity / 2:.0f}/s: p99 {half.p99_ms} ms")
    return {
        "lowest_rate_tried_per_s": round(capacity),
        # None: even the lowest rate tried was not held, so the figures below are of no capacity.
        "capacity_per_s": round(capacity) if held else None,
        "p50_ms_at_capacity": load.p50_ms,
        "p99_ms_at_capacity": load.p99_ms,
        "p50_ms_at_half": half.p50_ms,
        "p99_ms_at_half": half.p99_ms,
    }
