"""Quotes as rows of a terminal table: what was last traded, where it comes from, and what is bid and asked."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rich.table import Table
from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_KEPT_PRICES = 12
_NOTHING = "-"
_COLUMNS = ("Last", "Change", "Volume", "Bid", "Ask", "Latency")


@dataclass
class _Row:
    quote: Mapping[str, Any] = field(default_factory=dict)
    prices: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_PRICES))
    latency: timedelta | None = None


class Ticker:
    """The newest quote of each instrument (as `mode=full` of the API gives it), and its last prices."""

    def __init__(self, instruments: Sequence[str]) -> None:
        self._rows = {instrument_id: _Row() for instrument_id in instruments}

    @property
    def begun(self) -> bool:
        """Whether any instrument has a quote."""
        return any(row.quote for row in self._rows.values())

    @property
    def complete(self) -> bool:
        """Whether every instrument has a price."""
        return all(row.quote.get("last_price") for row in self._rows.values())

    def take(self, quotes: Iterable[Mapping[str, Any]], now: datetime | None = None) -> None:
        """Show these quotes. `now`, on the exchange's clock, is when they came as ticks; None: they were asked for."""
        for quote in quotes:
            row = self._rows[quote["instrument_id"]]
            row.quote = quote
            if quote["last_price"] is not None:
                row.prices.append(float(quote["last_price"]))
            if now is not None:
                row.latency = now - datetime.fromisoformat(quote["as_of"])

    def table(self) -> Table:
        """All rows, in the order of the instruments."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("Instrument", no_wrap=True)
        for name in _COLUMNS:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for instrument_id, row in self._rows.items():
            table.add_row(instrument_id, *_cells(row), sparkline(row.prices))
        return table


def sparkline(prices: Sequence[float] | deque[float]) -> str:
    """The prices as bars between their lowest and their highest."""
    if not prices:
        return ""
    low, high = min(prices), max(prices)
    width = (high - low) or 1.0
    return "".join(_BARS[int((price - low) / width * (len(_BARS) - 1))] for price in prices)


def _cells(row: _Row) -> Sequence[Text]:
    quote = row.quote
    if not quote:
        return [Text(_NOTHING)] * len(_COLUMNS)
    change = quote["change_percent"]
    colour = "" if change is None else "red" if change.startswith("-") else "green"
    latency = _NOTHING if row.latency is None else f"{row.latency / timedelta(milliseconds=1):.0f} ms"
    return (
        Text(quote["last_price"] or _NOTHING, "bold"),
        Text(_NOTHING if change is None else f"{change}%", colour),
        Text(f"{quote['volume']:,}"),
        Text(_best(quote["bids"])),
        Text(_best(quote["asks"])),
        Text("stale", "yellow") if quote["stale"] else Text(latency, "dim"),
    )


def _best(levels: Sequence[Mapping[str, Any]]) -> str:
    return str(levels[0]["price"]) if levels else _NOTHING
