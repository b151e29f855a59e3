"""The page docs/sizing.md, written from the data and the measured figures: equal inputs give equal text."""

from collections.abc import Sequence
from dataclasses import replace

from bench.sizing.model import Cost, Limit, Measured, Need, Price, Profile, Sizing, cost, size

_HEAD = """\
# Size and cost

Written by `python -m bench.sizing --write docs/sizing.md`; a test compares it with its data in `bench/sizing/data/`.
Nothing here was seen in Azure: what was measured on one small machine is multiplied and compared with the limits in the
services' documentation. A limit or price that was not found stays unknown. **List prices, lower bounds.**
"""


def page(profile: Profile, measured: Measured, limits: Sequence[Limit], prices: Sequence[Price]) -> str:
    """The whole text."""
    sizing = size(profile, measured, limits)
    money = cost(profile, measured, sizing, prices)
    parts = (
        _HEAD,
        _load(profile),
        _order(measured),
        _units(sizing, profile),
        _bottleneck(sizing),
        _cost(money, prices),
    )
    return "\n".join((*parts, _levers(profile, measured, limits)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _load(profile: Profile) -> str:
    rows = [
        ["users a day", _count(profile.daily_users)],
        ["orders a second, at the peak", _count(profile.orders_per_second)],
        ["orders a month", _count(profile.orders_per_month)],
        ["quotes read a second", _count(profile.quote_reads_per_second)],
        ["clients connected", _count(profile.connected_clients)],
        ["orders in a saga at the peak", _count(profile.orders_per_saga)],
        ["share of a unit that may be used", f"{profile.busy:.0%}"],
        ["CPU of the real host ÷ measured CPU (assumed)", f"{profile.host_factor:g}"],
        ["versions of the app at full strength during a rollout", str(profile.colours_at_once)],
        ["regions, one of which may be lost", str(profile.regions)],
    ]
    return "## The load\n\n" + _table(["quantity", "value"], rows)


def _order(measured: Measured) -> str:
    rows = [
        ["CPU of the HTTP group", f"{measured.http_us:.0f} µs"],
        ["CPU of the other groups", f"{measured.rest_us:.0f} µs"],
        ["CPU of PostgreSQL", f"{measured.postgres_us:.0f} µs"],
        ["write-ahead log", f"{measured.wal_bytes / 1000:.1f} KB"],
        ["requests and reports on Service Bus", f"{measured.bus_bytes / 1000:.1f} KB"],
        ["messages on Service Bus", f"{measured.bus_messages:.2f}"],
    ]
    return f"## What one order costs\n\nMeasured: {measured.measured_on}.\n\n" + _table(["of one order", "value"], rows)


def _units(sizing: Sizing, profile: Profile) -> str:
    text = (
        f"## Units\n\n{sizing.cells} cells carry the peak; with {profile.regions} regions, {sizing.cells_in_all} cells "
        "carry it when a whole region is lost.\n\n"
    )
    rows = [
        [
            need.limit.service,
            f"{_count(need.demand)} {need.limit.resource}",
            _unit_text(need),
            "all cells" if need.shared else "a cell",
            f"{need.limit.source} ({need.limit.as_of})",
        ]
        for need in sizing.needs
    ]
    return text + _table(["service", "asked for at the peak", "units", "of", "source of the limit (as of)"], rows)


def _unit_text(need: Need) -> str:
    return "unknown" if need.units is None else f"{need.units:,} ({need.limit.unit})"


def _bottleneck(sizing: Sizing) -> str:
    ranked = sorted(
        (need for need in sizing.needs if need.most_orders_per_second is not None),
        key=lambda need: need.most_orders_per_second or 0.0,
    )
    rows = [[need.limit.service, _count(need.most_orders_per_second or 0.0), need.limit.most_source] for need in ranked]
    text = (
        f"## The first bottleneck\n\nA cell is limited first by **{sizing.bottleneck.limit.service}**. The limit of "
        f"these is unknown, so each of them may come before it: {', '.join(sizing.candidates)}.\n\n"
    )
    return text + _table(["service", "orders a second of one cell", "limited by"], rows)


def _cost(money: Cost, prices: Sequence[Price]) -> str:
    rows = [
        ["a cell, standing, a month", f"≥ ${money.cell_per_month:,.0f}"],
        ["all cells, standing, a month", f"≥ ${money.all_cells_per_month:,.0f}"],
        ["executions and memory of Functions, a million orders", f"${money.functions_per_million_orders:,.2f}"],
        ["a million orders, everything known", f"≥ ${money.per_million_orders:,.2f}"],
    ]
    known = [
        [price.service, f"${_dollars(price.usd)} a {price.per}", price.source]
        for price in prices
        if price.usd is not None
    ]
    text = f"## Cost\n\nNo price was found for: {', '.join(money.unknown)}. They are missing in these sums.\n\n"
    return text + _table(["cost", "US dollars"], rows) + "\n" + _table(["service", "list price", "source"], known)


def _levers(profile: Profile, measured: Measured, limits: Sequence[Limit]) -> str:
    tries = [
        ("as above", profile, measured),
        ("half the write-ahead log an order", profile, replace(measured, wal_bytes=measured.wal_bytes / 2)),
        ("one order in a saga", replace(profile, orders_per_saga=1), measured),
        ("200 orders in a saga", replace(profile, orders_per_saga=200), measured),
        ("one colour at a time (stop, then start)", replace(profile, colours_at_once=1), measured),
    ]
    rows = []
    for name, wanted, costs in tries:
        sizing = size(replace(wanted, fewest_cells=1), costs, limits)
        most = sizing.bottleneck.most_orders_per_second or 0.0
        rows.append([name, str(sizing.cells), _count(most), sizing.bottleneck.limit.service])
    text = "## Levers\n\nFewest cells that the limits allow, and what limits each cell:\n\n"
    return text + _table(["change", "fewest cells", "orders a second of one cell", "first bottleneck"], rows)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:,.1f}"


def _dollars(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
