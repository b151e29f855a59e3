"""`python -m bench.durable`: a chain of three activities, idle latency and chains/s, against `dbos` and `durabletask`;
then ten thousand instances in flight, without a reference.

Throughput: the chains of a round are started at once. `durabletask` keeps everything in memory and survives nothing.
"""

import asyncio
from itertools import count
from typing import Any

import typer

from bench.durable import in_flight
from bench.engines import Engine, engines
from bench.report import Effort, Quick, Rounds, Seconds, middle, ratio, result, say

_IDLE = 20
_IN_FLIGHT, _FEW_IN_FLIGHT = 10_000, 1_000


def main(rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False) -> None:
    """Measure in turns, print one JSON line. `seconds` scales how many chains a round has."""
    effort = Effort.of(rounds, seconds, quick=quick)
    figures = {"rounds": effort.rounds} | asyncio.run(_measure(effort))
    figures["in_flight"] = asyncio.run(in_flight.measure(_FEW_IN_FLIGHT if quick else _IN_FLIGHT))
    result("durable", figures)


async def _measure(effort: Effort) -> dict[str, Any]:
    chains = max(50, int(effort.seconds * 40))
    numbers = count()
    idle: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    async with engines() as all_engines:
        for engine in all_engines.values():
            await engine.run("chain", _ids(engine, numbers, 10))
        for number in range(effort.rounds):
            for name, engine in all_engines.items():
                took = [await engine.run("chain", _ids(engine, numbers, 1)) * 1000 for _ in range(_IDLE)]
                idle.setdefault(name, []).append(middle(took, 2))
                rates.setdefault(name, []).append(chains / await engine.run("chain", _ids(engine, numbers, chains)))
            say(f"round {number}: idle ms {_last(idle)}, chains/s {_last(rates)}")
    return {
        "idle_ms": {name: middle(values, 2) for name, values in idle.items()},
        "chains_per_s": {name: middle(values) for name, values in rates.items()},
        "ratio_to_dbos": ratio(rates["ours"], rates["dbos"]),
        "ratio_to_durabletask": ratio(rates["ours"], rates["durabletask"]),
    }


def _ids(engine: Engine, numbers: "count[int]", many: int) -> list[str]:
    return [f"{engine.name}-{next(numbers)}" for _ in range(many)]


def _last(figures: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(values[-1], 1) for name, values in figures.items()}


if __name__ == "__main__":
    typer.run(main)
