"""Units, bottleneck and cost of a load, against figures worked by hand."""

from dataclasses import replace
from typing import Any

import pytest

from bench.sizing.__main__ import read_limits, read_measured, read_prices, read_profile
from bench.sizing.model import Limit, Measured, Need, Price, Profile, cost, demands, size
from bench.sizing.page import page
from tests.docs.generated import ROOT

# 1,000 orders/s at 1 ms of app and half a millisecond of PostgreSQL each; half of every unit may be used.
PROFILE = Profile(
    daily_users=50_000,
    orders_per_second=1_000,
    orders_per_month=10_000_000,
    quote_reads_per_second=20_000,
    connected_clients=10_000,
    frames_per_client_and_second=0.5,
    bytes_per_frame=2_000,
    ticks_bytes_per_second=1_000_000,
    candles_per_second=100,
    orders_per_saga=10,
    regions=2,
    fewest_cells=1,
    busy=0.5,
    host_factor=2.0,
    colours_at_once=2,
)
MEASURED = Measured(
    http_us=600,
    rest_us=400,
    postgres_us=500,
    wal_bytes=20_000,
    bus_bytes=2_000,
    bus_messages=0.2,
    measured_on="by hand",
)
BY_HAND: dict[str, tuple[float, float | None, int | None, int | None]] = {
    # service: demand, per unit, most units, units of one cell
    "Functions Flex Consumption": (4.0, 1, 250, 8),
    "Durable Task Scheduler": (1_200.0, 2_000, 3, 2),
    "PostgreSQL, processor": (0.5, 1, 96, 1),
    "PostgreSQL, write-ahead log": (20.0, 1, 1_200, 40),
    "Service Bus Premium": (2.0, 4, 16, 1),
    "Event Hubs Premium": (1.0, 5, 16, 1),
    "Managed Redis": (3_000.0, 480_000, 1, 1),
    "SignalR Premium, connections": (10_000.0, 1_000, 1_000, 20),
    "SignalR Premium, frames": (10.0, 4, 1_000, 5),
    "Front Door Premium": (21_000.0, 100_000, None, 1),
    "API Management PremiumV2": (1_000.0, None, 30, None),
    "Cosmos DB, candles": (1_000.0, 1_000, None, 2),
}


def limits(**changes: Any) -> list[Limit]:
    found = [
        Limit(name, "things/s", "unit", per_unit, most, "its documentation", "by hand", "2026-11")
        for name, (_, per_unit, most, _) in BY_HAND.items()
    ]
    return [replace(limit, **changes.get(limit.service, {})) for limit in found]


def needs(profile: Profile = PROFILE) -> dict[str, Need]:
    return {need.limit.service: need for need in size(profile, MEASURED, limits()).needs}


def test_demands_and_units_are_those_worked_by_hand() -> None:
    assert demands(PROFILE, MEASURED) == {name: row[0] for name, row in BY_HAND.items()}
    assert {name: need.units for name, need in needs().items()} == {name: row[3] for name, row in BY_HAND.items()}


def test_load_above_one_scheduler_takes_more_cells() -> None:
    # 12 actions a saga: 30,000 orders/s in sagas of ten are 36,000 actions/s; half of 3 x 2,000 is a cell's.
    sizing = size(replace(PROFILE, orders_per_second=30_000), MEASURED, limits())
    assert (sizing.cells, sizing.cells_in_all) == (12, 24)
    assert sizing.bottleneck.limit.service == "Durable Task Scheduler"
    assert sizing.bottleneck.most_orders_per_second == pytest.approx(2_500)


@pytest.mark.parametrize(("regions", "in_all"), [(1, 12), (2, 24), (3, 18)])
def test_remaining_regions_carry_the_peak_when_one_is_lost(regions: int, in_all: int) -> None:
    profile = replace(PROFILE, orders_per_second=30_000, regions=regions)
    assert size(profile, MEASURED, limits()).cells_in_all == in_all


def test_unknown_limit_stays_a_candidate_and_is_never_the_answer() -> None:
    sizing = size(PROFILE, MEASURED, limits())
    assert sizing.candidates == ("API Management PremiumV2",)
    assert needs()["API Management PremiumV2"].units is None


def test_limits_and_demands_must_name_the_same_services() -> None:
    with pytest.raises(ValueError, match="Managed Redis"):
        size(PROFILE, MEASURED, [limit for limit in limits() if limit.service != "Managed Redis"])


def test_cost_is_the_sum_of_known_prices_alone() -> None:
    prices = [
        Price("SignalR Premium", "unit-month", 61, "by hand"),
        Price("Service Bus Premium", "unit-month", 668, "by hand"),
        Price("Functions Flex Consumption", "GB-second", 0.000026, "by hand"),
        Price("Functions Flex Consumption, executions", "million executions", 0.4, "by hand"),
        Price("Managed Redis", "unit-month", None, "not found"),
    ]
    found = cost(PROFILE, MEASURED, size(PROFILE, MEASURED, limits()), prices)
    # 20 units of SignalR (connections ask for more than frames) and one messaging unit; two cells, one a region.
    assert found.cell_per_month == 20 * 61 + 668
    assert found.all_cells_per_month == 2 * (20 * 61 + 668)
    # 1 ms x 2 for the host / half busy = 4 ms x 2 GB; one call, 0.3 activities and 0.2 messages an order.
    assert found.functions_per_million_orders == pytest.approx(1e6 * 0.004 * 2 * 0.000026 + 1.5 * 0.4)
    assert found.per_million_orders == pytest.approx(found.all_cells_per_month / 10 + 0.808)
    assert found.unknown == ("Managed Redis",)


def test_every_figure_of_the_data_names_its_source() -> None:
    sourced = [entry.source for entry in (*read_limits(), *read_prices())]
    assert all(sourced)
    assert {limit.service for limit in read_limits()} == set(BY_HAND)


def test_page_is_what_its_data_give() -> None:
    written = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")
    remedy = "run: .venv/bin/python -m bench.sizing --measured bench/sizing/data/measured.json --write docs/sizing.md"
    assert written == page(read_profile(), read_measured(), read_limits(), read_prices()), remedy
