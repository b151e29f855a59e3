"""`python -m bench.overload`: P12, three times the capacity of the same run.

Capacity is what a closed loop sustains to the fill, the drain included. Then an open loop asks for three times as
much, whatever is answered: goodput is what was accepted and brought to its end, its drain included. Refusals are
503 with Retry-After; their latency counts from sending. Capacity and overload are measured in turn. In the end
everything that was accepted must be on record and every invariant hold.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import typer

from bench.brokers import BenchmarkError, broker, check_invariants, drain, prices, tokens
from bench.client import Load, Plan, drive
from bench.report import Effort, Quick, Rounds, Seconds, middle, ratio, result, say
from sandbox.harness import Sandbox

_USERS = 4_032
_CLOSED_LOOP, _OPEN_LOOP = 64, 1_000
_TIMES = 3.0
_WARM_UP_S = 2.0
_LEGAL = {"202", "503"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One load, and orders a second brought to their end."""

    load: Load
    per_second: float


def main(rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False) -> None:
    """Measure, check the invariants, print one JSON line."""
    effort = Effort.of(rounds, seconds, quick=quick)
    with broker(_USERS) as sandbox, TemporaryDirectory(prefix="bench-") as folder:
        tokens_file, journal = Path(folder) / "tokens", Path(folder) / "journal"
        tokens_file.write_bytes(orjson.dumps(tokens(sandbox)))
        url = f"{sandbox.base_url}/api/orders"
        plan = Plan(url, str(tokens_file), "", effort.seconds, _CLOSED_LOOP, prices=prices(), journal=str(journal))
        _turn(sandbox, replace(plan, run_id="warm-up", seconds=_WARM_UP_S))
        capacity: list[Turn] = []
        overload: list[Turn] = []
        for number in range(effort.rounds):
            capacity.append(_turn(sandbox, replace(plan, run_id=f"c{number}")))
            rate = capacity[-1].per_second * _TIMES
            overload.append(_turn(sandbox, replace(plan, run_id=f"o{number}", rate=rate, connections=_OPEN_LOOP)))
            say(f"capacity {capacity[-1].per_second:.0f}/s, at {rate:.0f}/s {_described(overload[-1])}")
        check_invariants(sandbox, journal, at_rest=True)
    result("overload", {"rounds": effort.rounds, "seconds": effort.seconds, **_compared(capacity, overload)})


def _turn(sandbox: Sandbox, plan: Plan) -> Turn:
    started = time.monotonic()
    load = drive(plan)
    drain(sandbox)
    if not load.statuses.keys() <= _LEGAL or load.without_retry_after:
        raise BenchmarkError(f"answers {load.statuses}, {load.without_retry_after} of 503 without Retry-After")
    return Turn(load, load.accepted / (time.monotonic() - started))


def _described(turn: Turn) -> str:
    load = turn.load
    return (
        f"{turn.per_second:.0f}/s, {load.statuses}, accepted p99 {load.p99_ms} ms, refused p99 {load.refused_p99_ms} ms"
    )


def _compared(capacity: list[Turn], overload: list[Turn]) -> dict[str, Any]:
    able, did = [turn.per_second for turn in capacity], [turn.per_second for turn in overload]
    return {
        "capacity_per_s": middle(able),
        "goodput_per_s": middle(did),
        "goodput_ratio": ratio(did, able),
        "accepted_per_s": middle(turn.load.per_second for turn in overload),
        "refused_share": middle((1 - turn.load.accepted / max(1, turn.load.sent) for turn in overload), 2),
        "refused_p99_ms": middle(turn.load.refused_p99_ms for turn in overload),
        "p99_ms": middle(turn.load.p99_ms for turn in overload),
    }


if __name__ == "__main__":
    typer.run(main)
