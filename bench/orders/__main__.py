"""`python -m bench.orders`: P1a, P1b, P1c, P2, one idle order's way, and what an order costs.

Costs are CPU and wake-ups by stage, commits and write-ahead log by database, and the app's round trips to its database.
The client is a process of its own. `--part accept,lists,fill,count` chooses.
"""

from typing import Any

import typer

from bench.orders.accepting import accepting, accepting_lists
from bench.orders.filling import counting, filling
from bench.report import Effort, Quick, Rounds, Seconds, result


def main(
    rounds: Rounds = 5, seconds: Seconds = 10.0, *, quick: Quick = False, part: str = "accept,lists,fill,count"
) -> None:
    """Measure, check the invariants, print one JSON line."""
    effort, parts = Effort.of(rounds, seconds, quick=quick), part.split(",")
    figures: dict[str, Any] = {"rounds": effort.rounds, "seconds": effort.seconds}
    if "accept" in parts:
        figures["accepted"] = accepting(effort)
    if "lists" in parts:
        figures["accepted_in_lists"] = accepting_lists(effort)
    if "fill" in parts:
        figures |= filling(effort)
    if "count" in parts:
        figures |= counting(effort)
    result("orders", figures)


if __name__ == "__main__":
    typer.run(main)
