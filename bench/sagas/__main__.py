"""`python -m bench.sagas`: orders through the whole saga (reserve, submit, answered, confirm) against `dbos`.

The same steps, tables and server on both sides. P5: our dispatcher's lists of 200 against one workflow an order, as
`dbos` is used; both sides with lists and both with one order are reported too.
"""

import asyncio
from itertools import count
from typing import Any

import typer

from bench import steps
from bench.brokers import BenchmarkError
from bench.engines import Engine, engines
from bench.report import Effort, Quick, Rounds, Seconds, middle, ratio, result, say

_LIST = 200


def main(rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False) -> None:
    """Measure in turns, print one JSON line. `seconds` scales how many sagas a round has."""
    effort = Effort.of(rounds, seconds, quick=quick)
    result("sagas", {"rounds": effort.rounds, "list": _LIST} | asyncio.run(_measure(effort)))


async def _measure(effort: Effort) -> dict[str, Any]:
    singles, lists = max(30, int(effort.seconds * 20)), max(8, int(effort.seconds * 3))
    numbers = count()
    single: dict[str, list[float]] = {}
    listed: dict[str, list[float]] = {}
    async with engines() as all_engines:
        sides = [all_engines["ours"], all_engines["dbos"]]
        for engine in sides:
            await _orders_per_s(engine, numbers, 10, 1)
        for number in range(effort.rounds):
            for engine in sides:
                single.setdefault(engine.name, []).append(await _orders_per_s(engine, numbers, singles, 1))
                listed.setdefault(engine.name, []).append(await _orders_per_s(engine, numbers, lists, _LIST))
            say(f"round {number}: orders/s one a saga {_last(single)}, {_LIST} a saga {_last(listed)}")
        if await steps.undone():
            raise BenchmarkError("orders did not go the whole way")
    return {
        "single_sagas_per_s": {name: middle(values) for name, values in single.items()},
        "orders_per_s_in_lists": {name: middle(values) for name, values in listed.items()},
        "ratio_single": ratio(single["ours"], single["dbos"]),
        "ratio_lists_to_single": ratio(listed["ours"], single["dbos"]),
        "ratio_lists_to_lists": ratio(listed["ours"], listed["dbos"]),
    }


async def _orders_per_s(engine: Engine, numbers: "count[int]", sagas: int, orders: int) -> float:
    ids = [f"{engine.name}-{next(numbers)}" for _ in range(sagas)]
    await steps.place(ids, orders)
    return sagas * orders / await engine.run("order_saga", ids)


def _last(figures: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(values[-1]) for name, values in figures.items()}


if __name__ == "__main__":
    typer.run(main)
