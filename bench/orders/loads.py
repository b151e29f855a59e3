"""What the parts of the benchmark share: plans, warm-up, rounds in turn, and how they are compared."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from bench.brokers import BenchmarkError, prices, tokens
from bench.client import Load, Plan, drive
from bench.report import middle, ratio, say
from sandbox.harness import Sandbox

_WARM_UP_S = 2.0


@dataclass(frozen=True)
class Clients:
    """Who places orders: (user id, token) of each customer, a plan for all of them, and the journal of their 202s."""

    users: Sequence[tuple[str, str]]
    plan: Plan
    journal: Path


@contextmanager
def clients_of(sandbox: Sandbox, seconds: float) -> Iterator[Clients]:
    """Customers whose every 202 is in a journal."""
    with TemporaryDirectory(prefix="bench-") as folder:
        users, tokens_file, journal = tokens(sandbox), Path(folder) / "tokens", Path(folder) / "journal"
        tokens_file.write_bytes(orjson.dumps(users))
        url = f"{sandbox.base_url}/api/orders"
        plan = Plan(url, str(tokens_file), "", seconds, prices=prices(), journal=str(journal))
        yield Clients(users, plan, journal)


def warm_up(*plans: Plan) -> None:
    """Connections, tokens and caches; a slow machine refuses some. Raises BenchmarkError when nothing is accepted."""
    for plan in plans:
        load = drive(replace(plan, run_id="warm-up", seconds=_WARM_UP_S))
        if not load.accepted:
            raise BenchmarkError(f"{plan.url} answers {load.statuses}")


def interleaved(plan: Plan, other: Plan, rounds: int, word: str) -> tuple[list[Load], list[Load]]:
    """Both plans in turn."""
    ours: list[Load] = []
    theirs: list[Load] = []
    for number in range(rounds):
        ours.append(drive(replace(plan, run_id=f"{word}{number}")))
        theirs.append(drive(replace(other, run_id=f"{word}{number}")))
        say(f"{word}: {ours[-1].per_second:.0f}/s {ours[-1].statuses}, naive {theirs[-1].per_second:.0f}/s")
    return ours, theirs


def compared(ours: Sequence[Load], theirs: Sequence[Load]) -> dict[str, Any]:
    """Rates and latencies of requests, medians of the rounds."""
    our_rates, their_rates = [load.per_second for load in ours], [load.per_second for load in theirs]
    return {
        "orders_per_s": middle(our_rates),
        "naive_per_s": middle(their_rates),
        "ratio": ratio(our_rates, their_rates),
        "p99_ms": middle(load.p99_ms for load in ours),
        "naive_p99_ms": middle(load.p99_ms for load in theirs),
        "client_cpu_us_per_order": middle(load.cpu_s / max(1, load.sent) * 1e6 for load in ours),
    }
