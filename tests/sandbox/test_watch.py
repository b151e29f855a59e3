"""The terminal ticker: what a row shows, and live prices of a running sandbox."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox.harness import Sandbox, SandboxOptions
from sandbox.ticker import Ticker, sparkline
from sandbox.watch import first_prices
from tests.sandbox.helpers import command

QUOTE: dict[str, Any] = {
    "instrument_id": "NSE:INFY",
    "last_price": "1500.10",
    "change_percent": "-0.21",
    "volume": 12345,
    "as_of": "2026-11-23T04:30:01.000000Z",
    "stale": False,
    "bids": [{"price": "1500.00", "quantity": 20000, "orders": 1}],
    "asks": [],
}


def shown(ticker: Ticker) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(ticker.table())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_row_shows_prices_book_and_latency() -> None:
    ticker = Ticker(["NSE:INFY", "NSE:TCS"])
    assert not ticker.begun
    ticker.take([QUOTE])
    ticker.take([QUOTE | {"last_price": "1500.30"}], datetime(2026, 11, 23, 4, 30, 1, 40_000, tzinfo=UTC))
    infy, tcs = shown(ticker).splitlines()[1:]
    assert infy.split() == ["NSE:INFY", "1500.30", "-0.21%", "12,345", "1500.00", "-", "40", "ms", "▁█"]
    assert tcs.split() == ["NSE:TCS", *"------"]
    assert not ticker.complete
    ticker.take([QUOTE | {"stale": True}])
    assert "stale" in shown(ticker)


def test_a_sparkline_spans_lowest_to_highest() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([]) == ""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder: Path = tmp_path_factory.mktemp("watch") / "data"
    with Sandbox.start(folder, SandboxOptions(groups="default", feed=True)) as sandbox:
        yield sandbox


@pytest.mark.slow
def test_prices_of_a_running_sandbox_are_shown(live: Sandbox) -> None:
    assert first_prices(live.running, patience_s=60) is not None
    said = command("watch", "NSE:INFY", "NSE:TCS", "--answers", "4", "--data", str(live.data))
    assert (said.returncode, said.stderr) == (0, "")
    row = next(line for line in reversed(said.stdout.splitlines()) if line.startswith("NSE:INFY"))
    assert len(re.findall(r"\d\.\d\d ", row)) >= 2
    unknown = command("watch", "NSE:NOTHING", "--data", str(live.data))
    assert unknown.returncode == 1
    assert "There is no market data of NSE:NOTHING" in unknown.stderr
