"""`python -m bench.orders`: P1a accepted, P1b sustained to fill, P2 latency, one idle order's way.

P1a: dispatch is held back by a saga that fills the only slot, so that accepting is measured alone; one HTTP process
on both sides. P1b: orders that reach the venue and are filled, the drain included, against the naive endpoint in as
many processes as the broker has (two), which only inserts. The client is a process of its own.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID

import httpx
import orjson
import psycopg
import typer

from bench.brokers import BenchmarkError, broker, check_invariants, drain, prices, tokens
from bench.client import Load, Plan, drive
from bench.reference import naive
from bench.report import Effort, Quick, Rounds, Seconds, middle, percentile, ratio, result, say
from bench.usage import cpu_by_stage, per_order
from sandbox.harness import Sandbox

_USERS = 1_008
_WARM_UP_S = 2.0
_HELD_BACK = UUID(int=1)
_ONE_SLOT = {"SAGAS_IN_FLIGHT": "1"}
_STAGES = ("funds_held", "at_exchange", "acknowledged", "filled")
_CAPACITY_P99_MS = 150.0
_STEPS = (1.0, 0.8, 0.65, 0.5, 0.35, 0.2)


def main(rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False, part: str = "accept,fill") -> None:
    """Measure, check the invariants, print one JSON line."""
    effort = Effort.of(rounds, seconds, quick=quick)
    figures: dict[str, Any] = {"rounds": effort.rounds, "seconds": effort.seconds}
    if "accept" in part:
        figures["accepted"] = _accepting(effort)
    if "fill" in part:
        figures |= _filling(effort)
    result("orders", figures)


# --- P1a ----------------------------------------------------------------------------------------------------


def _accepting(effort: Effort) -> dict[str, Any]:
    with broker(_USERS, _ONE_SLOT) as sandbox, _files() as files:
        plan = _prepare(sandbox, files, effort.seconds)
        _hold_back(sandbox)
        with naive(sandbox, files.users, 1) as naive_url:
            other = replace(plan, url=naive_url, journal=None)
            _warm_up(plan, other)
            before = cpu_by_stage(sandbox)
            ours, theirs = _interleaved(plan, other, effort.rounds, "accepted")
            # The reference spends its own CPU outside the sandbox, apart from PostgreSQL and Redis.
            spent = per_order(before, cpu_by_stage(sandbox), sum(load.accepted for load in ours))
        _release(sandbox)
        say(f"what was accepted reached the venue {drain(sandbox):.1f} s after the slot was free")
        check_invariants(sandbox, files.journal, at_rest=True)
    return _compared(ours, theirs) | {"cpu_us_per_order": _without_reference(spent), "client": _client(ours)}


def _hold_back(sandbox: Sandbox) -> None:
    """Fill the only slot, with a claim that the sweep will not find old: orders are accepted and wait for a saga."""
    with psycopg.connect(sandbox.dsn()) as connection:
        connection.execute(
            "INSERT INTO sagas (saga_id, claimed_at, deadline, orders) "
            "VALUES (%s, now() + '1 hour', now() + '2 hours', 0)",
            (_HELD_BACK,),
        )


def _release(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.dsn()) as connection:
        connection.execute("DELETE FROM sagas WHERE saga_id = %s", (_HELD_BACK,))


# --- P1b, P2, idle latency ----------------------------------------------------------------------------------


def _filling(effort: Effort) -> dict[str, Any]:
    with broker(_USERS) as sandbox, _files() as files:
        plan = _prepare(sandbox, files, effort.seconds)
        idle = _idle(sandbox, files.users, 20 if effort.rounds > 2 else 10)
        with naive(sandbox, files.users, 2) as naive_url:
            other = replace(plan, url=naive_url, journal=None)
            _warm_up(plan, other)
            sustained, cpu = _sustained(sandbox, plan, other, effort.rounds)
        latency = _latency(sandbox, plan, sustained["orders_per_s"])
        drain(sandbox)
        check_invariants(sandbox, files.journal, at_rest=True)
    return {"idle_ms": idle, "sustained": sustained | {"cpu_us_per_order": cpu}, "latency": latency}


def _sustained(sandbox: Sandbox, plan: Plan, other: Plan, rounds: int) -> tuple[dict[str, Any], dict[str, float]]:
    rates: list[float] = []
    spent: list[dict[str, float]] = []
    theirs: list[Load] = []
    for number in range(rounds):
        before, started = cpu_by_stage(sandbox), time.monotonic()
        load = drive(replace(plan, run_id=f"s{number}"))
        drained_s = drain(sandbox)
        rates.append(load.accepted / (time.monotonic() - started))
        spent.append(per_order(before, cpu_by_stage(sandbox), load.accepted))
        theirs.append(drive(replace(other, run_id=f"n{number}")))
        say(f"sustained: {rates[-1]:.0f}/s (drained in {drained_s:.1f} s), naive {theirs[-1].per_second:.0f}/s")
    naive_rates = [load.per_second for load in theirs]
    cpu = {stage: round(median(each.get(stage, 0.0) for each in spent), 0) for stage in spent[-1]}
    figures = {
        "orders_per_s": middle(rates),
        "naive_per_s": middle(naive_rates),
        "ratio": ratio(rates, naive_rates),
    }
    return figures, cpu


def _latency(sandbox: Sandbox, plan: Plan, sustained: float) -> dict[str, Any]:
    """Capacity by falling steps from what was sustained, then the latency at half of it."""
    held = False
    for step in _STEPS:
        load = drive(replace(plan, run_id=f"c{step}", rate=sustained * step))
        drained_s = drain(sandbox)
        say(f"open loop {sustained * step:.0f}/s: p99 {load.p99_ms} ms, drained in {drained_s:.1f} s")
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


# --- both ---------------------------------------------------------------------------------------------------


class _files:  # noqa: N801 - a context manager
    """Tokens for the client process, and its journal of 202s."""

    users: Sequence[tuple[str, str]]

    def __enter__(self) -> "_files":
        self._tokens = NamedTemporaryFile(suffix=".tokens.json")
        self._journal = NamedTemporaryFile(suffix=".journal")
        self.tokens, self.journal = Path(self._tokens.name), Path(self._journal.name)
        return self

    def __exit__(self, *_: object) -> None:
        self._tokens.close()
        self._journal.close()


def _prepare(sandbox: Sandbox, files: _files, seconds: float) -> Plan:
    files.users = tokens(sandbox)
    files.tokens.write_bytes(orjson.dumps(files.users))
    return Plan(
        url=f"{sandbox.base_url}/api/orders",
        tokens_file=str(files.tokens),
        run_id="",
        seconds=seconds,
        prices=prices(),
        journal=str(files.journal),
    )


def _warm_up(*plans: Plan) -> None:
    for plan in plans:
        load = drive(replace(plan, run_id="warm-up", seconds=_WARM_UP_S))
        if load.accepted != load.sent:
            raise BenchmarkError(f"{plan.url} answers {load.statuses}")


def _interleaved(plan: Plan, other: Plan, rounds: int, word: str) -> tuple[list[Load], list[Load]]:
    ours: list[Load] = []
    theirs: list[Load] = []
    for number in range(rounds):
        ours.append(drive(replace(plan, run_id=f"a{number}")))
        theirs.append(drive(replace(other, run_id=f"a{number}")))
        say(f"{word}: {ours[-1].per_second:.0f}/s {ours[-1].statuses}, naive {theirs[-1].per_second:.0f}/s")
    return ours, theirs


def _compared(ours: Sequence[Load], theirs: Sequence[Load]) -> dict[str, Any]:
    our_rates, their_rates = [load.per_second for load in ours], [load.per_second for load in theirs]
    return {
        "orders_per_s": middle(our_rates),
        "naive_per_s": middle(their_rates),
        "ratio": ratio(our_rates, their_rates),
        "p99_ms": middle(load.p99_ms for load in ours),
        "naive_p99_ms": middle(load.p99_ms for load in theirs),
    }


def _client(loads: Sequence[Load]) -> dict[str, float]:
    return {"cpu_us_per_order": middle(load.cpu_s / max(1, load.sent) * 1e6 for load in loads)}


def _without_reference(spent: dict[str, float]) -> dict[str, float]:
    return {stage: micros for stage, micros in spent.items() if stage not in {"postgres:naive", "valkey", "total"}}


if __name__ == "__main__":
    typer.run(main)
