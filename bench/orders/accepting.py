"""P1a and P1c: orders accepted, one a request and in lists, while dispatch is held back.

A saga that fills the only slot holds dispatch back, so that accepting is measured alone; one HTTP process on both
sides. Afterwards everything accepted is dispatched, and the invariants are verified.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import psycopg

from bench.brokers import broker, check_invariants, drain
from bench.client import Plan, drive
from bench.floor import empty_function
from bench.orders.loads import clients_of, compared, interleaved, warm_up
from bench.reference import naive
from bench.report import Effort, middle, say
from bench.usage import ByStage, usage_of
from sandbox.harness import Sandbox

_USERS, _USERS_OF_LISTS = 1_008, 4_032
_LIST, _CALLERS_WITH_LISTS = 25, 8
_HELD_BACK: Final = UUID(int=1)
_ONE_SLOT: Final = {"SAGAS_IN_FLIGHT": "1"}
# The reference spends its own CPU outside the sandbox, apart from PostgreSQL and Redis.
_SHARED_WITH_REFERENCE: Final = frozenset({"postgres:naive", "valkey", "total"})


def accepting(effort: Effort) -> dict[str, Any]:
    """Single orders against the naive endpoint, and what an empty function costs the process that serves them."""
    with _held_back(_USERS) as sandbox, clients_of(sandbox, effort.seconds) as clients:
        with naive(sandbox, clients.users, 1) as naive_url:
            other = replace(clients.plan, url=naive_url, journal=None)
            warm_up(clients.plan, other)
            before = usage_of(sandbox)
            ours, theirs = interleaved(clients.plan, other, effort.rounds, "accepted")
            spent = usage_of(sandbox).since(before).cpu_us_per_order(sum(load.accepted for load in ours))
        floor_us = _floor(clients.plan, effort.rounds)
        _let_go(sandbox)
        check_invariants(sandbox, clients.journal, at_rest=True)
    times = round(spent.get("http", 0.0) / floor_us, 2)
    floor = {"http_us_of_an_empty_function": floor_us, "http_times_empty_function": times}
    return compared(ours, theirs) | {"cpu_us_per_order": _ours(spent)} | floor


def accepting_lists(effort: Effort) -> dict[str, Any]:
    """Lists of 25 against the naive endpoint with the same lists."""
    with _held_back(_USERS_OF_LISTS) as sandbox, clients_of(sandbox, effort.seconds) as clients:
        lists = replace(clients.plan, url=f"{clients.plan.url}/batch", list_of=_LIST, connections=_CALLERS_WITH_LISTS)
        with naive(sandbox, clients.users, 1) as naive_url:
            other = replace(lists, url=f"{naive_url}/batch", journal=None)
            warm_up(lists, other)
            before = usage_of(sandbox)
            ours, theirs = interleaved(lists, other, effort.rounds, "lists")
            spent = usage_of(sandbox).since(before).cpu_us_per_order(sum(load.accepted for load in ours))
        _let_go(sandbox)
        check_invariants(sandbox, clients.journal, at_rest=True)
    return {"list": _LIST, "callers": _CALLERS_WITH_LISTS} | compared(ours, theirs) | {"cpu_us_per_order": _ours(spent)}


def _floor(plan: Plan, rounds: int) -> float:
    """Microseconds of CPU that host and worker library need for a request to a function that does nothing."""
    each: list[float] = []
    with empty_function() as floor:
        empty = replace(plan, url=floor.url, journal=None)
        warm_up(empty)
        for number in range(rounds):
            before = floor.usage()
            load = drive(replace(empty, run_id=f"e{number}"))
            each.append(floor.usage().since(before).cpu_us_per_order(load.accepted)["http"])
    say(f"an empty function: {middle(each):.0f} us of http a request")
    return middle(each)


@contextmanager
def _held_back(users: int) -> Iterator[Sandbox]:
    """A broker whose only slot is filled, with a saga that the sweep will not find old."""
    with broker(users, _ONE_SLOT) as sandbox:
        with psycopg.connect(sandbox.dsn()) as connection:
            connection.execute(
                "INSERT INTO sagas (saga_id, taken_at, deadline, orders) "
                "VALUES (%s, now() + '1 hour', now() + '2 hours', 0)",
                (_HELD_BACK,),
            )
        yield sandbox


def _let_go(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.dsn()) as connection:
        connection.execute("DELETE FROM sagas WHERE saga_id = %s", (_HELD_BACK,))
    say(f"what was accepted reached the venue {drain(sandbox):.1f} s after the slot was free")


def _ours(spent: ByStage) -> ByStage:
    return {stage: micros for stage, micros in spent.items() if stage not in _SHARED_WITH_REFERENCE}
