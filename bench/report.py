"""What every benchmark shares: its options, its medians, its one JSON line.

Progress goes to standard error, the result to standard output as one line of JSON.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

import orjson
import typer

Rounds = Annotated[int, typer.Option(min=1, help="How often both sides are measured, in turn")]
Seconds = Annotated[float, typer.Option(min=0.5, help="How long one measurement lasts")]
Quick = Annotated[bool, typer.Option("--quick", help="Two short rounds: whether it works, and the order of magnitude")]
QUICK_ROUNDS, QUICK_SECONDS = 2, 3.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float

    @classmethod
    def of(cls, rounds: int, seconds: float, *, quick: bool) -> "Effort":
        """From a benchmark's command line."""
        return cls(min(rounds, QUICK_ROUNDS), min(seconds, QUICK_SECONDS)) if quick else cls(rounds, seconds)


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def result(benchmark: str, figures: Mapping[str, Any]) -> None:
    """The one line of JSON."""
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    line = orjson.dumps({"benchmark": benchmark, **figures, "machine": machine})
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


def middle(values: Iterable[float], digits: int = 1) -> float:
    """The median, rounded."""
    return round(median(values), digits)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: the two halves of a round run under nearly the same load of the machine."""
    return round(median(a / b for a, b in zip(ours, theirs, strict=True)), 2)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
