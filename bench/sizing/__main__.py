"""`python -m bench.sizing`: units of every service, first bottleneck and cost for a load profile.

Measures what an order costs on this machine, or takes the figures of `--measured FILE`, and holds the load against the
services' limits, which are dated data with sources. Prints one line of JSON; `--write FILE` writes the page.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from bench.report import result, say
from bench.sizing.measure import measure
from bench.sizing.model import Limit, Measured, Price, Profile, cost, size
from bench.sizing.page import page

DATA = Path(__file__).with_name("data")
MEASURED = DATA / "measured.json"


def main(
    seconds: Annotated[float, typer.Option(min=1, help="How long orders are driven to measure one")] = 10.0,
    measured: Annotated[Path | None, typer.Option(help="Take an order's cost from this file, measure nothing")] = None,
    profile: Annotated[Path, typer.Option(help="The load, and how much of each unit may be used")] = DATA
    / "profile.json",
    save: Annotated[Path | None, typer.Option(help="Write the measured cost of an order to this file")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the page to this file")] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Measure for three seconds")] = False,
) -> None:
    """Size the services for a load, print one JSON line."""
    costs = read_measured(measured) if measured else measure(3.0 if quick else seconds)
    load, limits, prices = read_profile(profile), read_limits(), read_prices()
    if save:
        save.write_bytes(orjson.dumps(asdict(costs), option=orjson.OPT_INDENT_2) + b"\n")
    if write:
        write.write_text(page(load, costs, limits, prices), encoding="utf-8")
        say(f"wrote {write}")
    sizing = size(load, costs, limits)
    result(
        "sizing",
        {
            "measured": asdict(costs),
            "cells": sizing.cells,
            "cells_in_all": sizing.cells_in_all,
            "units": {need.limit.service: need.units for need in sizing.needs},
            "bottleneck": sizing.bottleneck.limit.service,
            "unknown_limits": sizing.candidates,
            "cost_usd": asdict(cost(load, costs, sizing, prices)),
        },
    )


def read_measured(file: Path = MEASURED) -> Measured:
    """What an order costs, as `--save` wrote it."""
    return Measured(**orjson.loads(file.read_bytes()))


def read_profile(file: Path = DATA / "profile.json") -> Profile:
    """A load profile."""
    return Profile(**orjson.loads(file.read_bytes()))


def read_limits() -> list[Limit]:
    """The services' limits, dated and with sources."""
    return [Limit(**entry) for entry in orjson.loads((DATA / "limits.json").read_bytes())]


def read_prices() -> list[Price]:
    """List prices, dated and with sources."""
    return [Price(**entry) for entry in orjson.loads((DATA / "prices.json").read_bytes())]


if __name__ == "__main__":
    typer.run(main)
